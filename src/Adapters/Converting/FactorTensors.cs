using System.Runtime.InteropServices;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Converting;

/// <summary>The factors of LoRA layers as fp32 tensors under PEFT's names. The file that they come from stays its owner's.</summary>
internal sealed class FactorTensors : ITensorSource
{
    private readonly Dictionary<string, AdapterMatrix> _matrices = [];
    private readonly Lock _reading = new();
    private (string Name, float[] Values)? _last;

    public FactorTensors(string path, IReadOnlyList<LowRankLayer> layers, Func<string, string> pathOf)
    {
        Path = path;
        foreach (LowRankLayer layer in layers)
        {
            _matrices.Add(PeftKeys.Of(pathOf(layer.Module), "lora_A.weight"), layer.A);
            _matrices.Add(PeftKeys.Of(pathOf(layer.Module), "lora_B.weight"), layer.B);
        }
        Tensors = _matrices.ToDictionary(m => m.Key, m => new TensorInfo(m.Key, DType.F32, [m.Value.Rows, m.Value.Columns], 4L * m.Value.Rows * m.Value.Columns));
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
        MemoryMarshal.AsBytes(values.AsSpan())[(int)byteOffset..].Slice(0, destination.Length).CopyTo(destination);
    }

    public void Dispose()
    {
    }
}
