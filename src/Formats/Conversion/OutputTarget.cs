using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;

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
        HashSet<string> tokenizer = [.. TokenizerFiles.Find(path).Present.Select(f => Path.GetFileName(f))];
        RequireReplaceable(path, "a model", name => tokenizer.Contains(name) || IsOfFolder(name));
    }

    /// <summary>Checks that a folder, all of which is going to be replaced, holds what it is taken for and nothing more. One that is not there passes.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="what">What it is taken for: "a model".</param>
    /// <param name="belongs">Whether a file of a name is of that.</param>
    /// <exception cref="MarrowException">IO009 something else lies there too.</exception>
    public static void RequireReplaceable(string folder, string what, Func<string, bool> belongs)
    {
        ArgumentNullException.ThrowIfNull(belongs);
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).FirstOrDefault(e => Directory.Exists(e) || !belongs(Path.GetFileName(e))) is { } other)
            throw new MarrowException("IO009", $"{Echo.Name(folder, 300)}: holds more than {what} ('{Echo.Name(Path.GetFileName(other))}'), and all of it would be replaced; choose another name, or take that away [IO009]");
    }

    /// <summary>Checks the files of which a split GGUF model may come to consist, as <see cref="Require"/>.</summary>
    internal static void RequireParts(string path, IReadOnlyList<string> inputs, bool overwrite)
    {
        foreach (string file in GgufSplit.PartsOf(path))
            Require(file, ModelKind.Gguf, inputs, overwrite);
    }

    /// <summary>Removes the parts of a model that <paramref name="written"/> has replaced, which would lie beside it as a second one.</summary>
    /// <returns>What was removed and what could not be, one sentence each.</returns>
    internal static List<string> RemoveFormerParts(string path, IReadOnlyList<string> written)
    {
        List<string> removed = [], told = [];
        foreach (string file in GgufSplit.PartsOf(path).Where(f => !written.Any(w => Same(Path.GetFullPath(w), f))))
        {
            try
            {
                File.Delete(file);
                removed.Add(Echo.Name(Path.GetFileName(file)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                told.Add($"{file}: is left of the model that was replaced, and could not be removed: {e.Message} Delete it");
            }
        }
        if (removed.Count > 0)
            told.Add($"the model that was replaced was in other files, which are removed: {string.Join(", ", removed.Take(3))}{(removed.Count > 3 ? ", …" : "")}");
        return told;
    }

    /// <summary>Whether a file is one that a folder is written with, beside the tokenizer's.</summary>
    private static bool IsOfFolder(string name) => name is "config.json" or "generation_config.json" or SafetensorsFolder.IndexFile
        || (name.StartsWith("model", StringComparison.Ordinal) && name.EndsWith(".safetensors", StringComparison.Ordinal));

    private static bool IsWithin(string path, string folder) =>
        Same(path, folder) || path.StartsWith(Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar, InputFile.NameComparison);

    private static bool Same(string a, string b) => string.Equals(a, b, InputFile.NameComparison);

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
