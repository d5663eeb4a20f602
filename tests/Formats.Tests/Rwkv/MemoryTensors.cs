using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Tests.Rwkv;

/// <summary>Tensors in memory: random fp32 of given shapes, or what a writer makes.</summary>
internal sealed class MemoryTensors : ITensorSource
{
    private readonly Dictionary<string, byte[]> _bytes = [];
    private readonly Dictionary<string, TensorInfo> _infos = [];

    public string Path => "memory";

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _infos;

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>Names of the tensors that were read.</summary>
    public List<string> ReadNames { get; } = [];

    public static MemoryTensors Of(IEnumerable<TensorToWrite> tensors)
    {
        var made = new MemoryTensors();
        foreach (TensorToWrite tensor in tensors)
        {
            using var stream = new MemoryStream();
            tensor.Write(stream);
            made.Add(tensor.Name, tensor.DType, tensor.Shape, stream.ToArray());
        }
        return made;
    }

    /// <summary>A copy of a file without some of its tensors.</summary>
    public static MemoryTensors Copy(ITensorSource source, Func<string, bool> without) =>
        Of(source.Tensors.Keys.Where(n => !without(n)).Select(n => TensorToWrite.Copy(source, n)));

    public MemoryTensors Add(string name, params long[] shape)
    {
        byte[] bytes = new byte[4 * shape.Aggregate(1L, (n, d) => n * d)];
        new Random(name.Length + 31 * name[^1] + _infos.Count).NextBytes(bytes);
        return Add(name, DType.F32, shape, bytes);
    }

    public MemoryTensors Add(string name, DType type, IReadOnlyList<long> shape, byte[] bytes)
    {
        Assert.Equal(type.Bytes(shape.Aggregate(1L, (n, d) => n * d)), bytes.Length);
        _infos.Add(name, new TensorInfo(name, type, shape, bytes.Length));
        _bytes.Add(name, bytes);
        return this;
    }

    public MemoryTensors Remove(string name)
    {
        Assert.True(_infos.Remove(name) && _bytes.Remove(name), name);
        return this;
    }

    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        ReadNames.Add(name);
        _bytes[name].AsSpan((int)byteOffset, destination.Length).CopyTo(destination);
    }

    public ReadOnlySpan<float> Floats(string name) => MemoryMarshal.Cast<byte, float>(_bytes[name]);

    public void Dispose() => _infos.Clear();
}
