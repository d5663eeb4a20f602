using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.Safetensors;

/// <summary>
/// One safetensors file. Opening reads and checks the header only; tensor bytes are read by position when asked for (no memory mapping:
/// a mapped file that another program cuts short would end the process).
/// </summary>
public sealed class SafetensorsFile : ITensorSource
{
    private readonly SafeFileHandle _handle;
    private readonly Dictionary<string, StoredTensor> _tensors;

    private SafetensorsFile(string path, SafeFileHandle handle, Dictionary<string, StoredTensor> tensors, SafetensorsHeader header)
    {
        Path = path;
        _handle = handle;
        _tensors = tensors;
        Tensors = tensors.ToDictionary(t => t.Key, t => t.Value.Info);
        Metadata = header.Metadata;
        Warnings = header.Warnings;
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>What was odd but allowed, one sentence each; empty for most files.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Whether a file begins like one: a header's length that the file has room for, and the header's brace.</summary>
    /// <exception cref="ModelFileException">IO001 … IO005 it cannot be read.</exception>
    public static bool IsSafetensors(string path)
    {
        using SafeFileHandle handle = InputFile.Open(path, out long length);
        if (length <= SafetensorsHeader.LengthBytes)
            return false;
        Span<byte> start = stackalloc byte[SafetensorsHeader.LengthBytes + 1];
        InputFile.ReadExactly(handle, path, 0, start);
        return start[^1] == '{' && BinaryPrimitives.ReadUInt64LittleEndian(start) <= (ulong)(length - SafetensorsHeader.LengthBytes);
    }

    /// <summary>Opens a file after every check of spec/formats.md §1.3.</summary>
    /// <exception cref="ModelFileException">ST001 … ST019 the file is not valid; IO001 … IO006 it cannot be read or is another thing.</exception>
    public static SafetensorsFile Open(string path)
    {
        if (InputFile.LengthOf(path) == 0)
            throw TooShort(path, 0);
        SafeFileHandle handle = InputFile.Open(path, out long length);
        try
        {
            long headerLength = ReadHeaderLength(handle, path, length);
            byte[] bytes = new byte[headerLength];
            InputFile.ReadExactly(handle, path, SafetensorsHeader.LengthBytes, bytes);
            SafetensorsHeader header = new(path);
            header.Parse(bytes);
            return new SafetensorsFile(path, handle,
                SafetensorsLayout.Check(path, header.Entries, SafetensorsHeader.LengthBytes + headerLength, length), header);
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
        if (!_tensors.TryGetValue(name, out StoredTensor tensor))
            tensor = new StoredTensor(this.Require(name), 0);
        if (byteOffset < 0 || byteOffset > tensor.Info.ByteLength - destination.Length)
            throw new ModelFileException("TS004", Path,
                $"tensor '{Echo.Name(name)}' has {tensor.Info.ByteLength} bytes; {destination.Length} from {byteOffset} on were asked for");
        InputFile.ReadExactly(_handle, Path, tensor.Offset + byteOffset, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static long ReadHeaderLength(SafeFileHandle handle, string path, long length)
    {
        Span<byte> start = stackalloc byte[64];
        start = start[..(int)Math.Min(start.Length, length)];
        InputFile.ReadExactly(handle, path, 0, start);
        InputFile.RefuseStandIn(path, start);
        if (length < SafetensorsHeader.LengthBytes)
            throw TooShort(path, length);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (headerLength > SafetensorsHeader.LongestHeader)
            throw new ModelFileException("ST002", path,
                $"the header length {headerLength} at byte 0 is above the limit of {SafetensorsHeader.LongestHeader}; this is not a safetensors file, or it is damaged");
        if ((long)headerLength > length - SafetensorsHeader.LengthBytes)
            throw new ModelFileException("ST003", path,
                $"the header of {headerLength} bytes reaches past the end of the file ({length} bytes); it was cut short, fetch it again");
        return (long)headerLength;
    }

    private static ModelFileException TooShort(string path, long length) =>
        new("ST001", path, $"the file is too short for a safetensors header: {length} bytes, at least 8 are needed");
}
