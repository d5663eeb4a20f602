using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.Gguf;

/// <summary>One file on the disk: a whole GGUF model, or a part of a split one.</summary>
internal sealed class GgufPart : IDisposable
{
    private readonly SafeFileHandle _handle;

    private GgufPart(string path, SafeFileHandle handle, GgufHeader header, Dictionary<string, (TensorInfo Info, long Start)> tensors, IReadOnlyList<string> warnings)
    {
        Path = path;
        _handle = handle;
        Values = header.Values;
        Tensors = tensors;
        Warnings = warnings;
    }

    public string Path { get; }

    public GgufMetadata Values { get; }

    /// <summary>The tensors and where they begin in the file.</summary>
    public Dictionary<string, (TensorInfo Info, long Start)> Tensors { get; }

    public IReadOnlyList<string> Warnings { get; }

    public static GgufPart Open(string path, Action<ModelFileException> report)
    {
        SafeFileHandle handle = InputFile.Open(path, out long length);
        try
        {
            Span<byte> start = stackalloc byte[(int)Math.Min(length, 64)];
            InputFile.ReadExactly(handle, path, 0, start);
            InputFile.RefuseStandIn(path, start);
            GgufHeader header = new(new GgufInput(handle, path, length), report);
            GgufLayout layout = new(path, header, length, report);
            Dictionary<string, (TensorInfo Info, long Start)> tensors = layout.Check();
            return new GgufPart(path, handle, header, tensors, [.. header.Warnings, .. layout.Warnings]);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public void Read(TensorInfo info, long start, long byteOffset, Span<byte> destination)
    {
        if (byteOffset < 0 || byteOffset > info.ByteLength - destination.Length)
            throw new ModelFileException("TS004", Path, $"tensor '{Echo.Name(info.Name)}' has {info.ByteLength} bytes; {destination.Length} from {byteOffset} on were asked for");
        InputFile.ReadExactly(_handle, Path, start + byteOffset, destination);
    }

    public void Dispose() => _handle.Dispose();
}
