using Marrow.Formats.Numerics;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// One PyTorch checkpoint (.pth, .pt, .bin), in torch's zip form or the older one. Opening reads and checks the pickle, as data and never
/// as a program; tensor bytes are read by position when asked for, row-major whatever their strides (spec/formats.md §4).
/// </summary>
public sealed class PthFile : ITensorSource
{
    private const long LargestKept = 32 << 20;

    private readonly DataSource _file;
    private readonly Dictionary<string, StridedTensor> _tensors;
    private (StridedTensor Tensor, byte[] Bytes)? _kept;
    private readonly Lock _keeping = new();

    private PthFile(DataSource file, Dictionary<string, StridedTensor> tensors, List<string> warnings)
    {
        _file = file;
        _tensors = tensors;
        Tensors = tensors.ToDictionary(t => t.Key, t => t.Value.Info);
        Warnings = warnings;
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>What was left out, or odd but allowed, one sentence each; empty for most files.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Whether the file begins as a checkpoint does: as a zip archive, or with the older form's magic number.</summary>
    /// <exception cref="ModelFileException">IO001 … IO005 the file cannot be read.</exception>
    public static bool IsPth(string path)
    {
        using SafeFileHandle handle = InputFile.Open(path, out long length);
        Span<byte> start = stackalloc byte[(int)Math.Min(length, LegacyCheckpoint.Start.Length)];
        InputFile.ReadExactly(handle, path, 0, start);
        return IsZip(start) || start.SequenceEqual(LegacyCheckpoint.Start);
    }

    /// <summary>
    /// Opens a file after every check of spec/formats.md §4. The tensors are those of the top dictionary (or list); where it has none, those of
    /// the dictionary under "state_dict", "model_state_dict", "model" or "module"; <paramref name="part"/> names another one.
    /// </summary>
    /// <exception cref="ModelFileException">PT001 … PT033 the file is not valid, or holds what is refused; IO001 … IO006 it cannot be read or is another thing.</exception>
    public static PthFile Open(string path, string? part = null)
    {
        SafeFileHandle handle = InputFile.Open(path, out long length);
        DataSource file = new(handle, path, length);
        try
        {
            Checkpoint checkpoint = ReadForm(file);
            Dictionary<string, StridedTensor> tensors = [];
            foreach (var (name, tensor) in new NamedTensors(path, checkpoint.Warnings).Find(checkpoint.Value, part))
            {
                TensorInfo info = new(name, tensor.Type, tensor.Sizes, tensor.Bytes);
                tensors.Add(name, new StridedTensor(info, tensor, checkpoint.Storages[tensor.Storage.Key]));
            }
            return new PthFile(file, tensors, checkpoint.Warnings);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        if (!_tensors.TryGetValue(name, out StridedTensor? tensor))
            tensor = _tensors[this.Require(name).Name];
        if (byteOffset < 0 || byteOffset > tensor.Info.ByteLength - destination.Length)
            throw new ModelFileException("TS004", Path,
                $"tensor '{Echo.Name(name)}' has {tensor.Info.ByteLength} bytes; {destination.Length} from {byteOffset} on were asked for");
        if (tensor.IsContiguous)
            _file.Read(tensor.Data, tensor.Offset + byteOffset, destination);
        else
            Gather(tensor, byteOffset, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static Checkpoint ReadForm(DataSource file)
    {
        const int TarMark = 257;
        Span<byte> start = stackalloc byte[(int)Math.Min(file.Length, TarMark + 5)];
        InputFile.ReadExactly(file.Handle, file.Path, 0, start);
        InputFile.RefuseStandIn(file.Path, start);
        if (IsZip(start))
            return ZipCheckpoint.Read(file);
        if (start.Length > TarMark && start[TarMark..].SequenceEqual("ustar"u8))
            throw new ModelFileException("PT001", file.Path, "this is a tar archive, torch's form of 2016, which is not read; load it with torch and save it anew");
        return start[0] == LegacyCheckpoint.Start[0] ? LegacyCheckpoint.Read(file) : throw new ModelFileException("PT001", file.Path,
            $"this is no torch checkpoint: it begins with the bytes {Convert.ToHexString(start[..Math.Min(start.Length, 4)])}, neither as a zip archive nor as torch's older form; check the file's kind");
    }

    private static bool IsZip(ReadOnlySpan<byte> start) => start.StartsWith("PK\u0003\u0004"u8);

    private void Gather(StridedTensor tensor, long byteOffset, Span<byte> destination)
    {
        byte[]? kept = tensor.Span <= LargestKept ? Keep(tensor) : null;
        while (destination.Length > 0)
        {
            (long run, long within) = Math.DivRem(byteOffset, tensor.RunBytes);
            Span<byte> piece = destination[..(int)Math.Min(destination.Length, tensor.RunBytes - within)];
            long at = tensor.RunStart(run) + within;
            if (kept is not null)
                kept.AsSpan((int)at, piece.Length).CopyTo(piece);
            else
                _file.Read(tensor.Data, tensor.Offset + at, piece);
            byteOffset += piece.Length;
            destination = destination[piece.Length..];
        }
    }

    /// <summary>The bytes over which the tensor is strewn. The last ones stay, since such a tensor is mostly read in pieces.</summary>
    private byte[] Keep(StridedTensor tensor)
    {
        lock (_keeping)
        {
            if (_kept?.Tensor != tensor)
            {
                byte[] bytes = new byte[tensor.Span];
                _file.Read(tensor.Data, tensor.Offset, bytes);
                _kept = (tensor, bytes);
            }
            return _kept.Value.Bytes;
        }
    }
}
