namespace Marrow.Host.CommandLine;

/// <summary>Writes commands that can be pasted into a shell.</summary>
internal static class ShellText
{
    private const string Plain = "-_./=:,+@%\\";

    /// <summary>"marrow" and its arguments; those with spaces or signs that a shell reads are put in quotes.</summary>
    public static string Command(params IEnumerable<string> args) => string.Join(' ', args.Prepend("marrow").Select(Quoted));

    private static string Quoted(string arg) =>
        arg.Length > 0 && arg.All(c => char.IsLetterOrDigit(c) || Plain.Contains(c)) && (OperatingSystem.IsWindows() || !arg.Contains('\\')) ? arg
        : OperatingSystem.IsWindows() ? $"\"{arg.Replace("\"", "\\\"", StringComparison.Ordinal)}\""
        : $"'{arg.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
