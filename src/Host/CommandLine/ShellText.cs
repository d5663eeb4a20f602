namespace Marrow.Host.CommandLine;

/// <summary>Writes commands that can be pasted into the shell that this program was started from.</summary>
internal static class ShellText
{
    private const string Plain = "-_./=:,+@%\\";

    /// <summary>This program, as it can be started again, and its arguments; those with signs that a shell reads are put in quotes.</summary>
    public static string Command(params IEnumerable<string> args) => string.Join(' ', Program().Concat(args).Select(Quoted));

    /// <summary>A path from the current directory on, where that is shorter.</summary>
    public static string Near(string path)
    {
        string near = Path.GetRelativePath(Environment.CurrentDirectory, path);
        return near.Length < path.Length ? near : path;
    }

    private static string[] Program()
    {
        string process = Environment.ProcessPath ?? "marrow", name = Path.GetFileNameWithoutExtension(process);
        if (name != "marrow")
            return [name, Near(Path.Combine(AppContext.BaseDirectory, "marrow.dll"))];
        string folder = Path.GetDirectoryName(process)!;
        bool known = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(p => p.Length > 0 && Path.TrimEndingDirectorySeparator(p) == folder);
        string near = Near(process);
        return [known ? "marrow" : near.Contains(Path.DirectorySeparatorChar) ? near : $".{Path.DirectorySeparatorChar}{near}"];
    }

    private static string Quoted(string arg) =>
        arg.Length > 0 && arg.All(c => char.IsLetterOrDigit(c) || Plain.Contains(c)) && (OperatingSystem.IsWindows() || !arg.Contains('\\')) ? arg
        : OperatingSystem.IsWindows() ? $"\"{arg.Replace("\"", "\\\"", StringComparison.Ordinal)}\""
        : $"'{arg.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
