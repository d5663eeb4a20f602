using System.Runtime.InteropServices;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Converting;

/// <summary>Matrices as fp32 tensors. The files that they come from stay their owners'.</summary>
internal sealed class MatrixTensors : ITensorSource
{
    private const int PieceElements = 1 << 20;
    private readonly IReadOnlyDictionary<string, AdapterMatrix> _matrices;
    private readonly Lock _reading = new();
    private (string Name, float[] Values)? _last;

    public MatrixTensors(string path, IReadOnlyDictionary<string, AdapterMatrix> matrices)
    {
        (Path, _matrices) = (path, matrices);
        Tensors = matrices.ToDictionary(m => m.Key, m => new TensorInfo(m.Key, DType.F32, [m.Value.Rows, m.Value.Columns], 4L * m.Value.Rows * m.Value.Columns));
    }

    /// <summary>The factors of LoRA layers under PEFT's names.</summary>
    public static MatrixTensors OfFactors(string path, IEnumerable<LowRankLayer> layers, Func<string, string> pathOf)
    {
        Dictionary<string, AdapterMatrix> matrices = [];
        foreach (LowRankLayer layer in layers)
        {
            matrices.Add(PeftKeys.Of(pathOf(layer.Module), "lora_A.weight"), layer.A);
            matrices.Add(PeftKeys.Of(pathOf(layer.Module), "lora_B.weight"), layer.B);
        }
        return new MatrixTensors(path, matrices);
    }

    public string Path { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        this.Require(name);
        float[] values;
        // A tensor is read in pieces, one after the other.
        lock (_reading)
        {
            if (_last?.Name != name)
                _last = (name, _matrices[name].Read());
            values = _last.Value.Values;
        }
        // Of the largest matrices the bytes are more than one span holds.
        while (!destination.IsEmpty)
        {
            int first = checked((int)(byteOffset / sizeof(float))), skip = (int)(byteOffset % sizeof(float));
            ReadOnlySpan<byte> stored = MemoryMarshal.AsBytes(values.AsSpan(first, Math.Min(PieceElements, values.Length - first)))[skip..];
            int count = Math.Min(stored.Length, destination.Length);
            stored[..count].CopyTo(destination);
            destination = destination[count..];
            byteOffset += count;
        }
    }

    public void Dispose()
    {
    }
}
