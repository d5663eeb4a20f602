using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.Gguf;

/// <summary>
/// A GGUF model, in one file or in split ones (spec/formats.md §2). Opening reads and checks the headers only; tensor bytes are read by
/// position when asked for, in their stored type.
/// </summary>
public sealed class GgufFile : ITensorSource
{
    private const int MostProblems = 1000;
    private const int LongestText = 200;

    private readonly List<GgufPart> _parts;
    private readonly Dictionary<string, (GgufPart Part, long Start)> _places = [];

    private GgufFile(List<GgufPart> parts)
    {
        _parts = parts;
        Dictionary<string, TensorInfo> tensors = [];
        foreach (GgufPart part in parts)
            foreach (var (name, (info, start)) in part.Tensors)
            {
                tensors[name] = info;
                _places[name] = (part, start);
            }
        Tensors = tensors;
        Values = parts[0].Values;
        Metadata = Values.Values.ToDictionary(v => v.Key, v => TextOf(v.Value));
        Warnings = [.. parts.SelectMany(p => p.Warnings)];
    }

    /// <inheritdoc/>
    public string Path => _parts[0].Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The values in short: texts cut to 200 characters, "array of N type" for arrays.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The metadata, of split models those of the first file.</summary>
    public GgufMetadata Values { get; }

    /// <summary>The files, in order.</summary>
    public IReadOnlyList<string> Files => [.. _parts.Select(p => p.Path)];

    /// <summary>What was odd but allowed, one sentence each; empty for most files.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Whether the file begins as GGUF files do.</summary>
    /// <exception cref="ModelFileException">IO001 … IO005 the file cannot be read.</exception>
    public static bool IsGguf(string path)
    {
        using SafeFileHandle handle = InputFile.Open(path, out long length);
        Span<byte> start = stackalloc byte[(int)Math.Min(length, 4)];
        InputFile.ReadExactly(handle, path, 0, start);
        return start.SequenceEqual("GGUF"u8);
    }

    /// <summary>Opens a model after every check of spec/formats.md §2.3; of a split one the first file is given, and all are opened.</summary>
    /// <exception cref="ModelFileException">GG001 … GG023, GS001 … GS004 it is not valid; IO001 … IO006 it cannot be read or is another thing.</exception>
    public static GgufFile Open(string path) => Open(path, problem => throw problem);

    /// <summary>Opens the parts of a model that do not have their names yet.</summary>
    /// <exception cref="ModelFileException">As the other overload.</exception>
    internal static GgufFile Open(IReadOnlyList<string> parts) => Open(parts[0], problem => throw problem, parts);

    /// <summary>Everything that is wrong with a model, at most 1000 problems, as far as it can be read; empty where <see cref="Open(string)"/> would take it.</summary>
    public static IReadOnlyList<ModelFileException> Examine(string path)
    {
        List<ModelFileException> problems = [];
        try
        {
            using GgufFile file = Open(path, problem =>
            {
                if (problems.Count < MostProblems)
                    problems.Add(problem);
            });
        }
        catch (ModelFileException e)
        {
            problems.Add(e);
        }
        return problems;
    }

    /// <inheritdoc/>
    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        TensorInfo info = this.Require(name);
        var (part, start) = _places[name];
        part.Read(info, start, byteOffset, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _parts.ForEach(p => p.Dispose());

    private static GgufFile Open(string path, Action<ModelFileException> report, IReadOnlyList<string>? named = null)
    {
        List<GgufPart> parts = [GgufPart.Open(path, report)];
        try
        {
            GgufSplit.OpenRest(parts, report, named);
            return new GgufFile(parts);
        }
        catch
        {
            parts.ForEach(p => p.Dispose());
            throw;
        }
    }

    private static string TextOf(GgufValue value) => value.Content switch
    {
        byte[] text => Encoding.UTF8.GetString(text.AsSpan(0, Math.Min(text.Length, LongestText))) + (text.Length > LongestText ? "…" : ""),
        bool flag => flag ? "true" : "false",
        _ when value.IsArray => string.Create(CultureInfo.InvariantCulture, $"array of {value.Count} {value.Type}"),
        double number when value.Type == GgufType.F32 => ((float)number).ToString(CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => "",
    };
}
