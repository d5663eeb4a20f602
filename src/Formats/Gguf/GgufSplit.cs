using System.Globalization;
using System.Text.RegularExpressions;

namespace Marrow.Formats.Gguf;

/// <summary>The parts of a model that is split into several GGUF files (spec/formats.md §2.5).</summary>
internal static partial class GgufSplit
{
    public const string NumberKey = "split.no", CountKey = "split.count", TensorsKey = "split.tensors.count";

    /// <summary>The most parts that the file names and the keys allow.</summary>
    public const int MostParts = ushort.MaxValue;

    /// <summary>The name of part <paramref name="number"/> (from 0) of <paramref name="count"/>.</summary>
    public static string NameOf(string prefix, int number, int count) => string.Create(CultureInfo.InvariantCulture, $"{prefix}-{number + 1:D5}-of-{count:D5}.gguf");

    /// <summary>What a part's name begins with; null where a file is not named as a part.</summary>
    public static string? PrefixOf(string path) => Pattern().Match(path) is { Success: true } match ? match.Groups[1].Value : null;

    /// <summary>The files that lie there of a model that may be split: "{stem}.gguf" and parts of whatever number, full paths in order.</summary>
    /// <param name="path">"{stem}.gguf", or the same without its ending.</param>
    public static IReadOnlyList<string> PartsOf(string path)
    {
        string prefix = GgufWriter.PrefixOf(Path.GetFullPath(path));
        return Path.GetDirectoryName(prefix) is not { } folder || !Directory.Exists(folder) ? []
            : [.. Directory.EnumerateFiles(folder, "*.gguf").Where(f => string.Equals(PrefixOf(f) ?? GgufWriter.PrefixOf(f), prefix, InputFile.NameComparison)).Order(StringComparer.Ordinal)];
    }

    /// <summary>The first part that lies there of a model that would be called <paramref name="path"/> were it not split; null where there is none.</summary>
    public static string? FirstOf(string path) => PartsOf(path).FirstOrDefault(f => PrefixOf(f) is not null && !IsLater(f));

    /// <summary>Whether a file is named as a part after the first.</summary>
    public static bool IsLater(string path) => Pattern().IsMatch(path) && !path.AsSpan(0, path.LastIndexOf("-of-", StringComparison.Ordinal)).EndsWith("-00001");

    /// <summary>Opens the parts that follow the first one, by their names or those that are <paramref name="named"/>; a file that is not split has none.</summary>
    /// <exception cref="ModelFileException">GS001 … GS004; what is wrong with a part.</exception>
    public static void OpenRest(List<GgufPart> parts, Action<ModelFileException> report, IReadOnlyList<string>? named = null)
    {
        GgufPart first = parts[0];
        int count = first.Values.Size(CountKey) ?? 1, number = first.Values.Size(NumberKey) ?? 0;
        Match match = Pattern().Match(first.Path);
        if (number != 0)
            throw new ModelFileException("GS001", first.Path, $"this is part {number + 1} of a model in {count} files; give the first file"
                + (match.Success ? $", '{Echo.Name(Path.GetFileName(NameOf(match.Groups[1].Value, 0, count)))}'" : ", whose name ends in '-00001-of-…'"));
        if (count <= 1)
            return;
        if (named is null ? count > MostParts || !match.Success || first.Path != NameOf(match.Groups[1].Value, 0, count) : count != named.Count)
            throw new ModelFileException("GS004", first.Path, $"this is the first of {count} files, but is not named as such, so the others cannot be found; call it '{Echo.Name(Path.GetFileName(NameOf("name", 0, count)))}' and the others alike");
        for (int i = 1; i < count; i++)
        {
            string path = named?[i] ?? NameOf(match.Groups[1].Value, i, count);
            if (!File.Exists(path))
            {
                report(new ModelFileException("GS004", first.Path, $"part {i + 1} of {count} is missing: '{Echo.Name(Path.GetFileName(path))}' should lie beside the first; fetch it from where the model came from"));
                return;
            }
            GgufPart part = GgufPart.Open(path, report);
            parts.Add(part);
            if (part.Values.Size(NumberKey) != i)
                report(new ModelFileException("GS001", path, $"{NumberKey} is {Shown(part, NumberKey)}, but its name says {i}; the file was renamed or is damaged"));
            if (part.Values.Size(CountKey) != count)
                report(new ModelFileException("GS002", path, $"{CountKey} is {Shown(part, CountKey)}, but the first file says {count}; the files do not belong together"));
        }
        CheckTensors(parts, report);
    }

    private static void CheckTensors(List<GgufPart> parts, Action<ModelFileException> report)
    {
        Dictionary<string, GgufPart> owners = [];
        foreach (GgufPart part in parts)
            foreach (string name in part.Tensors.Keys)
                if (!owners.TryAdd(name, part))
                    report(new ModelFileException("GS003", part.Path, $"tensor '{Echo.Name(name)}' is in '{Echo.Name(Path.GetFileName(owners[name].Path))}' too; the files do not belong together"));
        long total = parts.Sum(p => (long)p.Tensors.Count);
        if (parts[0].Values.Size(TensorsKey) is { } stated && stated != total)
            report(new ModelFileException("GS002", parts[0].Path, $"{TensorsKey} is {stated}, but the {parts.Count} files hold {total} tensors; the files do not belong together"));
    }

    private static string Shown(GgufPart part, string key) => part.Values.Size(key)?.ToString(CultureInfo.InvariantCulture) ?? "missing";

    [GeneratedRegex(@"^(.*)-\d{5}-of-\d{5}\.gguf$", RegexOptions.Singleline | RegexOptions.NonBacktracking)]
    private static partial Regex Pattern();
}
