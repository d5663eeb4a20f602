using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Tensors of any size without their values.</summary>
internal sealed class ShapesOnly : ITensorSource
{
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private byte[] _factors = [];

    public string Path => "m.gguf";

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public ShapesOnly Add(string name, DType type, params long[] shape)
    {
        _tensors.Add(name, new TensorInfo(name, type, shape, type.Bytes(shape.Aggregate(1L, (n, d) => n * d))));
        return this;
    }

    public ShapesOnly Add(string name, float[] values)
    {
        _factors = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return Add(name, DType.F32, values.Length);
    }

    public void Read(string name, long byteOffset, Span<byte> destination) => _factors.AsSpan((int)byteOffset, destination.Length).CopyTo(destination);

    public void Dispose() => _factors = [];
}
