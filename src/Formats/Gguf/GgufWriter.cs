using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Gguf;

/// <summary>
/// Writes GGUF files of version 3, whole or split (spec/formats.md §2.4, §2.5): values and tensors in the given order with
/// `general.architecture` first, tensors padded to the alignment. Every file appears whole or not at all; the same input gives the same bytes.
/// </summary>
public static class GgufWriter
{
    private const string ArchitectureKey = "general.architecture", QuantizationKey = "general.quantization_version";
    private const long QuantizationVersion = 2;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>
    /// Writes one file. Keys of splitting (`split.*`) are left out, `general.quantization_version` is added where a tensor has blocks; last
    /// dimensions (first in torch's order) of size 1 are trimmed, as ggml's own writer does. <paramref name="check"/> is given the finished file under its
    /// temporary name, before it takes the place of another.
    /// </summary>
    /// <exception cref="MarrowException">GG006, GG008, GG009, GG012 a value cannot be stored; GG013 … GG017, GG022, GG023 a tensor cannot; IO008, IO009 the file cannot be written.</exception>
    public static void Write(string path, GgufMetadata values, IReadOnlyList<TensorToWrite> tensors, Action<IReadOnlyList<string>>? check = null)
    {
        Piece[] pieces = Measure(path, tensors);
        AtomicFile.WriteAll([FileOf(path, Complete(values, tensors), pieces, AlignmentOf(path, values))], check);
    }

    /// <summary>
    /// Writes a model as files "{prefix}-00001-of-000NN.gguf" of at most <paramref name="maxBytes"/> bytes of tensors each (a larger tensor has
    /// one of its own), or as "{prefix}.gguf" where one file holds all. They appear once all are written and <paramref name="check"/>, which is given them in order under
    /// their temporary names, has seen them; the first, which opens the others, as the last.
    /// </summary>
    /// <returns>The files, in order.</returns>
    /// <exception cref="MarrowException">GS004 more than 65535 files; otherwise as <see cref="Write"/>.</exception>
    public static IReadOnlyList<string> WriteSplit(string prefix, GgufMetadata values, IReadOnlyList<TensorToWrite> tensors, long maxBytes, Action<IReadOnlyList<string>>? check = null)
    {
        prefix = PrefixOf(prefix);
        Piece[] pieces = Measure(prefix, tensors);
        long alignment = AlignmentOf(prefix, values);
        List<List<Piece>> parts = Divide(pieces, alignment, maxBytes);
        if (parts.Count > GgufSplit.MostParts)
            throw new ModelFileException("GS004", prefix, $"{parts.Count} files would be needed, but a model can be split into at most {GgufSplit.MostParts}; allow larger files");
        if (parts.Count == 1)
        {
            AtomicFile.WriteAll([FileOf($"{prefix}.gguf", Complete(values, tensors), pieces, alignment)], check);
            return [$"{prefix}.gguf"];
        }
        string[] paths = [.. Enumerable.Range(0, parts.Count).Select(i => GgufSplit.NameOf(prefix, i, parts.Count))];
        List<FileToWrite> files = [];
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            AtomicFile.RemoveLeftovers(paths[i]);
            List<KeyValuePair<string, GgufValue>> own = i == 0 ? Complete(values, tensors)
                : [.. values.Values.Where(v => v.Key == GgufHeader.AlignmentKey)];
            own.Add(new(GgufSplit.NumberKey, new(GgufType.U16, (long)i)));
            own.Add(new(GgufSplit.CountKey, new(GgufType.U16, (long)parts.Count)));
            own.Add(new(GgufSplit.TensorsKey, new(GgufType.I32, (long)tensors.Count)));
            files.Add(FileOf(paths[i], own, parts[i], alignment));
        }
        AtomicFile.WriteAll(files, check is null ? null : temporary => check([.. temporary.Reverse()]));
        return paths;
    }

    /// <summary>What the names of split files begin with: the path without an ending ".gguf".</summary>
    internal static string PrefixOf(string path) => path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? path[..^5] : path;

    private readonly record struct Piece(TensorToWrite Tensor, byte[] Name, long[] Sizes, long Bytes);

    private static List<List<Piece>> Divide(Piece[] pieces, long alignment, long maxBytes)
    {
        List<List<Piece>> parts = [[]];
        long filled = 0;
        foreach (Piece piece in pieces)
        {
            long padded = GgufLayout.Pad(piece.Bytes, alignment);
            if (filled > 0 && padded > maxBytes - filled)
            {
                parts.Add([]);
                filled = 0;
            }
            parts[^1].Add(piece);
            filled = checked(filled + padded);
        }
        return parts;
    }

    /// <summary>The values in the order of the file, without those of splitting, with those that the tensors ask for.</summary>
    private static List<KeyValuePair<string, GgufValue>> Complete(GgufMetadata values, IReadOnlyList<TensorToWrite> tensors)
    {
        List<KeyValuePair<string, GgufValue>> all = [.. values.Values.Where(v => v.Key is not (GgufSplit.NumberKey or GgufSplit.CountKey or GgufSplit.TensorsKey))];
        int at = all.FindIndex(v => v.Key == ArchitectureKey);
        if (at > 0)
        {
            var architecture = all[at];
            all.RemoveAt(at);
            all.Insert(0, architecture);
        }
        if (!values.Has(QuantizationKey) && tensors.Any(t => t.DType.IsBlock()))
            all.Add(new(QuantizationKey, new(GgufType.U32, QuantizationVersion)));
        return all;
    }

    private static long AlignmentOf(string path, GgufMetadata values)
    {
        if (!values.Values.TryGetValue(GgufHeader.AlignmentKey, out GgufValue? value))
            return GgufHeader.UsualAlignment;
        return value is { Type: GgufType.U32, Content: long number } && BitOperations.IsPow2(number) && number <= GgufHeader.LargestAlignment ? number
            : throw new ModelFileException("GG012", path, $"metadata '{GgufHeader.AlignmentKey}' must be a power of two of type U32, at most {GgufHeader.LargestAlignment}");
    }

    private static Piece[] Measure(string path, IReadOnlyList<TensorToWrite> tensors)
    {
        HashSet<string> names = [];
        return [.. tensors.Select(t => names.Add(t.Name) ? Measure(path, t) : throw new ModelFileException("GG022", path, $"two tensors have the name '{Echo.Name(t.Name)}'; rename one"))];
    }

    private static Piece Measure(string path, TensorToWrite tensor)
    {
        string what = $"tensor '{Echo.Name(tensor.Name)}'";
        byte[] name = Utf8(tensor.Name) is { Length: > 0 and <= GgufHeader.LongestName } bytes ? bytes
            : throw new ModelFileException("GG023", path, $"{what}: a name must have 1 to {GgufHeader.LongestName} bytes of UTF-8 in GGUF; rename it");
        string shape = $"[{string.Join(',', tensor.Shape)}]";
        if (GgufTensorType.IdOf(tensor.DType) is null)
            throw new ModelFileException("GG016", path, $"{what}: GGUF has no element type {tensor.DType}; convert it, or write safetensors");
        long[] sizes = [.. tensor.Shape.SkipWhile(size => size == 1).Reverse()];
        if (sizes.Length == 0)
            sizes = [1];
        if (sizes.Length > GgufHeader.MostDimensions)
            throw new ModelFileException("GG013", path, $"{what} has the shape {shape}; GGUF allows {GgufHeader.MostDimensions} dimensions, so reshape it");
        if (Array.Exists(sizes, size => size <= 0))
            throw new ModelFileException("GG014", path, $"{what} has the shape {shape}; GGUF allows no dimension of size 0, so leave it out");
        UInt128 count = 1;
        foreach (long size in sizes)
            count = count <= long.MaxValue ? count * (ulong)size : count;
        if (count > long.MaxValue / 64)
            throw new ModelFileException("GG015", path, $"{what}: the element count of shape {shape} overflows");
        if (tensor.DType.IsBlock() && sizes[0] % BlockFormats.Of(tensor.DType).Elements != 0)
            throw new ModelFileException("GG017", path, $"{what}: rows of {sizes[0]} elements are not whole blocks of {BlockFormats.Of(tensor.DType).Elements} as {tensor.DType} needs; store it as another type");
        return new Piece(tensor, name, sizes, tensor.DType.Bytes((long)count));
    }

    private static FileToWrite FileOf(string path, List<KeyValuePair<string, GgufValue>> values, IReadOnlyList<Piece> pieces, long alignment)
    {
        MemoryStream header = new();
        GgufOutput output = new(header, path);
        header.Write("GGUF"u8);
        output.UInt32(3);
        output.UInt64((ulong)pieces.Count);
        output.UInt64((ulong)values.Count);
        foreach (var (key, value) in values)
            output.Pair(key, Utf8(key), value);
        long offset = 0;
        foreach (Piece piece in pieces)
        {
            output.String(piece.Name);
            output.UInt32((uint)piece.Sizes.Length);
            foreach (long size in piece.Sizes)
                output.UInt64((ulong)size);
            output.UInt32((uint)GgufTensorType.IdOf(piece.Tensor.DType)!.Value);
            output.UInt64((ulong)offset);
            offset = GgufLayout.Pad(checked(offset + piece.Bytes), alignment);
        }
        return new FileToWrite(path, stream =>
        {
            header.WriteTo(stream);
            byte[] zeros = new byte[alignment];
            foreach (Piece piece in pieces)
            {
                Fill(stream, zeros);
                long start = stream.Position;
                piece.Tensor.Write(stream);
                if (stream.Position - start != piece.Bytes)
                    throw new InvalidOperationException($"tensor '{piece.Tensor.Name}' wrote {stream.Position - start} bytes, its shape needs {piece.Bytes}");
            }
            if (pieces.Count > 0)
                Fill(stream, zeros);
        }, checked(header.Length + offset));
    }

    private static void Fill(Stream stream, byte[] zeros) => stream.Write(zeros.AsSpan(0, (int)(GgufLayout.Pad(stream.Position, zeros.Length) - stream.Position)));

    /// <summary>The bytes of a text; null for lone surrogates, which would silently become another character.</summary>
    private static byte[]? Utf8(string text)
    {
        try
        {
            return StrictUtf8.GetBytes(text);
        }
        catch (EncoderFallbackException)
        {
            return null;
        }
    }
}
