using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.RwkvCpp;

/// <summary>A .bin file of rwkv.cpp (spec/formats.md §5.4) as it is stored; <see cref="RwkvCppTensors"/> shows it under official names and shapes.</summary>
public sealed class RwkvCppFile : ITensorSource
{
    private const uint Magic = 0x67676D66;
    private const int HeaderBytes = 24, TensorBytes = 12;
    private const int MostDimensions = 4, LongestName = 255, MostTensors = 100_000;

    /// <summary>The first version whose block types are those of today.</summary>
    private const int BlockVersion = 101;

    private static readonly string[] HeaderKeys = ["version", "n_vocab", "n_embed", "n_layer", "data_type"];
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly SafeFileHandle _handle;
    private readonly long _length;
    private readonly OrderedDictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, long> _starts = [];

    private RwkvCppFile(string path, SafeFileHandle handle, long length)
    {
        (Path, _handle, _length) = (path, handle, length);
        Span<byte> header = stackalloc byte[HeaderBytes];
        Fill(0, header, "the file's head");
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic)
            throw Error("RB005", "is no file of rwkv.cpp: it does not begin with 'fmgg'");
        int version = Int(header, 1);
        if (version is not (BlockVersion - 1 or BlockVersion))
            throw Error("RB005", $"has version {version}; 100 and 101 are read, convert the model again with a current rwkv.cpp");
        var metadata = new Dictionary<string, string>();
        for (int i = 0; i < HeaderKeys.Length; i++)
            metadata.Add(HeaderKeys[i], Int(header, i + 1).ToString(CultureInfo.InvariantCulture));
        Metadata = metadata;
        for (long at = HeaderBytes; at < length;)
            at = ReadTensor(at, version);
        if (_tensors.TryGetValue("emb.weight", out TensorInfo? emb) && !emb.Shape.SequenceEqual([Int(header, 2), Int(header, 3)]))
            throw Error("RB003", $"states {Int(header, 2)} tokens of {Int(header, 3)} channels, but its embedding is {emb.ShapeText}");
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <summary>The tensors, in the order of the file.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>The numbers at the beginning of the file: version, n_vocab, n_embed, n_layer, data_type.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Whether a file begins as rwkv.cpp's do.</summary>
    /// <exception cref="ModelFileException">IO001 … IO005 the file cannot be read.</exception>
    public static bool IsPresent(string path)
    {
        using SafeFileHandle handle = InputFile.Open(path, out long length);
        Span<byte> start = stackalloc byte[sizeof(uint)];
        if (length < start.Length)
            return false;
        InputFile.ReadExactly(handle, path, 0, start);
        return BinaryPrimitives.ReadUInt32LittleEndian(start) == Magic;
    }

    /// <summary>Opens a file after every check.</summary>
    /// <exception cref="ModelFileException">
    /// RB001 dimensions; RB002 a name; RB003 a size; RB004 a type; RB005 another kind or version; RB006 the file ends first; IO001 … IO005 it cannot be read.
    /// </exception>
    public static RwkvCppFile Open(string path)
    {
        SafeFileHandle handle = InputFile.Open(path, out long length);
        try
        {
            return new RwkvCppFile(path, handle, length);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        TensorInfo info = this.Require(name);
        if (byteOffset < 0 || byteOffset > info.ByteLength - destination.Length)
            throw new ModelFileException("TS004", Path, $"tensor '{Echo.Name(name)}' has {info.ByteLength} bytes; {destination.Length} from {byteOffset} on were asked for");
        InputFile.ReadExactly(_handle, Path, _starts[name] + byteOffset, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    /// <summary>Reads one tensor's description and returns the place behind its values.</summary>
    private long ReadTensor(long at, int version)
    {
        Span<byte> head = stackalloc byte[TensorBytes + MostDimensions * sizeof(int) + LongestName];
        Fill(at, head[..TensorBytes], $"the tensor at byte {at}");
        int dimensions = Int(head, 0), nameLength = Int(head, 1), type = Int(head, 2);
        if (dimensions is < 1 or > MostDimensions)
            throw Error("RB001", $"the tensor at byte {at} has {dimensions} dimensions; 1 to {MostDimensions} are possible");
        if (nameLength is < 1 or > LongestName)
            throw Error("RB002", $"the tensor at byte {at} has a name of {nameLength} bytes; 1 to {LongestName} are possible");
        int headBytes = TensorBytes + dimensions * sizeof(int) + nameLength;
        Fill(at, head[..headBytes], $"the tensor at byte {at}");
        string name = Name(head[(headBytes - nameLength)..headBytes], at);
        // Fastest first in the file.
        var shape = new long[dimensions];
        UInt128 count = 1;
        for (int i = 0; i < dimensions; i++)
        {
            int size = Int(head, 3 + i);
            if (size < 1)
                throw Error("RB003", $"tensor '{Echo.Name(name)}' has a size of {size}");
            shape[dimensions - 1 - i] = size;
            count *= (UInt128)size;
        }
        DType stored = TypeOf(type, version, name);
        (int block, int blockBytes) = stored.IsBlock() ? (BlockFormats.Of(stored).Elements, BlockFormats.Of(stored).Bytes) : (1, stored.Bits() / 8);
        if (shape[^1] % block != 0)
            throw Error("RB003", $"tensor '{Echo.Name(name)}' [{string.Join(',', shape)}] has rows that are no whole blocks of {stored}");
        long start = at + headBytes;
        UInt128 bytes = count / (UInt128)block * (UInt128)blockBytes;
        if (bytes > (UInt128)(_length - start))
            throw Error("RB006", $"tensor '{Echo.Name(name)}' [{string.Join(',', shape)}] of {stored} needs {bytes} bytes, but the file ends after {_length - start}; it was cut short, fetch it again");
        if (_tensors.Count == MostTensors || !_tensors.TryAdd(name, new TensorInfo(name, stored, shape, (long)bytes)))
            throw Error("RB002", $"holds '{Echo.Name(name)}' twice, or more than {MostTensors} tensors");
        _starts.Add(name, start);
        return start + (long)bytes;
    }

    private DType TypeOf(int type, int version, string name) => type switch
    {
        0 => DType.F32,
        1 => DType.F16,
        2 or 3 or 7 or 8 or 9 when version < BlockVersion => throw Error("RB005", $"has quantised tensors ('{Echo.Name(name)}') in version {version}, whose blocks were others than today's; convert the model again with a current rwkv.cpp"),
        2 => DType.Q4_0,
        3 => DType.Q4_1,
        7 => DType.Q5_0,
        8 => DType.Q5_1,
        9 => DType.Q8_0,
        _ => throw Error("RB004", $"tensor '{Echo.Name(name)}' has type {type}; F32 (0), F16 (1), Q4_0 (2), Q4_1 (3), Q5_0 (7), Q5_1 (8) and Q8_0 (9) are read"),
    };

    private string Name(ReadOnlySpan<byte> bytes, long at)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new ModelFileException("RB002", Path, $"the tensor at byte {at} has a name that is not UTF-8", e);
        }
    }

    private void Fill(long at, Span<byte> bytes, string what)
    {
        if (bytes.Length > _length - at)
            throw Error("RB006", $"ends within {what}; it was cut short, fetch it again");
        InputFile.ReadExactly(_handle, Path, at, bytes);
    }

    private static int Int(ReadOnlySpan<byte> bytes, int index) => BinaryPrimitives.ReadInt32LittleEndian(bytes[(sizeof(int) * index)..]);

    private ModelFileException Error(string code, string message) => new(code, Path, message);
}
