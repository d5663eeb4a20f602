using Marrow.Formats.Gguf;

namespace Marrow.Formats.Conversion;

/// <summary>Checks where something is about to be written: never over what it is made of, and over nothing else that the user did not mean.</summary>
public static class OutputTarget
{
    /// <summary>Checks that what is written takes nothing from what is read, through links too.</summary>
    /// <param name="path">The file or folder to write.</param>
    /// <param name="inputs">The files and folders that are read.</param>
    /// <exception cref="MarrowException">IO007 the target is one of the inputs, or a folder that holds one.</exception>
    public static void RequireElsewhere(string path, IEnumerable<string> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        string real = RealPath(path);
        foreach (string input in inputs)
            if (IsWithin(RealPath(input), real))
                throw new MarrowException("IO007", $"{Echo.Name(path, 300)}: is {(Same(RealPath(input), real) ? "read too, and would be replaced" : $"where {Echo.Name(input, 300)} lies, which is read")}; write it elsewhere [IO007]");
    }

    /// <summary>Checks a model's target.</summary>
    /// <exception cref="MarrowException">IO007 it is one of the inputs, or a folder that holds one; IO009 something is there that may not be replaced.</exception>
    internal static void Require(string path, ModelKind kind, IEnumerable<string> inputs, bool overwrite)
    {
        RequireElsewhere(path, inputs);
        if (kind != ModelKind.HuggingFace)
        {
            if (Directory.Exists(path))
                throw new MarrowException("IO009", $"{path}: a folder stands where the file should be written; choose another name [IO009]");
            if (File.Exists(path) && !overwrite)
                throw new MarrowException("IO009", $"{path}: there is a file already; choose another name, or allow it to be overwritten (--overwrite) [IO009]");
            return;
        }
        if (File.Exists(path))
            throw new MarrowException("IO009", $"{path}: a file stands where the folder should be written; choose another name [IO009]");
        if (!Directory.Exists(path) || !Directory.EnumerateFileSystemEntries(path).Any())
            return;
        if (!overwrite)
            throw new MarrowException("IO009", $"{path}: there is a folder already; choose another name, or allow it to be overwritten (--overwrite) [IO009]");
        // The whole folder is replaced, so it must be a model's and nothing more.
        if (Directory.EnumerateDirectories(path).FirstOrDefault() is { } inner)
            throw new MarrowException("IO009", $"{path}: holds more than a model ('{Echo.Name(Path.GetFileName(inner))}'), and all of it would be replaced; choose another name [IO009]");
        if (!File.Exists(Path.Combine(path, "config.json")) && !HuggingFace.ModelWeights.ArePresent(path))
            throw new MarrowException("IO009", $"{path}: is a folder that holds no model, and all of it would be replaced; choose another name [IO009]");
    }

    /// <summary>Checks the files of which a split GGUF model may come to consist, as <see cref="Require"/>, and tells which are there: full paths of the model in one file and of parts, of however many.</summary>
    internal static IReadOnlyList<string> RequireParts(string path, IReadOnlyList<string> inputs, bool overwrite)
    {
        string prefix = GgufWriter.PrefixOf(Path.GetFullPath(path)), folder = Path.GetDirectoryName(prefix)!;
        string[] present = Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder, "*.gguf").Where(f => Same(f, $"{prefix}.gguf") || Same(GgufSplit.PrefixOf(f) ?? "", prefix)).Order(StringComparer.Ordinal)] : [];
        foreach (string file in present)
            Require(file, ModelKind.Gguf, inputs, overwrite);
        return present;
    }

    /// <summary>Removes files that what was written replaces; one that stays is told as a warning.</summary>
    internal static void Remove(IEnumerable<string> files, ICollection<string> warnings)
    {
        foreach (string file in files)
        {
            try
            {
                File.Delete(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                warnings.Add($"{Echo.Name(file, 300)} is of what was replaced, and could not be removed; delete it: {e.Message}");
            }
        }
    }

    private static bool IsWithin(string path, string folder) =>
        Same(path, folder) || path.StartsWith(Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar, Comparison);

    private static bool Same(string a, string b) => string.Equals(a, b, Comparison);

    private static StringComparison Comparison => OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;

    /// <summary>The full path with every link on the way followed.</summary>
    private static string RealPath(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string? parent = Path.GetDirectoryName(full);
        if (parent is null)
            return full;
        string here = Path.Combine(RealPath(parent), Path.GetFileName(full));
        try
        {
            FileSystemInfo? end = Directory.Exists(here) ? Directory.ResolveLinkTarget(here, true) : File.Exists(here) ? File.ResolveLinkTarget(here, true) : null;
            return end is null ? here : RealPath(end.FullName);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return here;
        }
    }
}
