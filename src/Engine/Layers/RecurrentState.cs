using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Layers;

/// <summary>
/// The state of an RWKV model after the tokens read so far, for several sequences: of each layer the last input of both token shifts
/// [S, C] and the WKV state [S, H, n, n] (fp32, [head, value, key]; spec/architectures.md §3.4). Its size does not depend on the number of tokens.
/// A pass reads the incoming state and writes the outgoing one; <see cref="Advance"/> swaps them, so that backward may run the pass again before.
/// </summary>
public sealed class RecurrentState : SequenceState
{
    private readonly Tensor[,] _attention, _channel, _wkv;
    private int _incoming;

    /// <summary>An empty state of <paramref name="sequences"/> sequences; shifts are of the activations' type.</summary>
    public RecurrentState(Device device, int layers, int sequences, int channels, int headSize, DType dtype = DType.F32)
    {
        Sequences = sequences;
        Shape shift = new(sequences, channels), wkv = new(sequences, channels / headSize, headSize, headSize);
        _attention = new Tensor[layers, 2];
        _channel = new Tensor[layers, 2];
        _wkv = new Tensor[layers, 2];
        for (int layer = 0; layer < layers; layer++)
        {
            for (int side = 0; side < 2; side++)
            {
                _attention[layer, side] = new Tensor(device, shift, dtype);
                _channel[layer, side] = new Tensor(device, shift, dtype);
                _wkv[layer, side] = new Tensor(device, wkv);
            }
        }
    }

    /// <summary>Sequences that it is the state of.</summary>
    public int Sequences { get; }

    /// <summary>Whether nothing has been read: shifts are zero and the WKV states are the model's initial ones, whatever is stored here.</summary>
    public bool IsFresh => Length == 0;

    /// <summary>The last input of a layer's time mixing, [S, C].</summary>
    public Tensor Attention(int layer) => _attention[layer, _incoming];

    /// <summary>The last input of a layer's channel mixing, [S, C].</summary>
    public Tensor Channel(int layer) => _channel[layer, _incoming];

    /// <summary>A layer's WKV state, [S, H, n, n].</summary>
    public Tensor Wkv(int layer) => _wkv[layer, _incoming];

    /// <summary>Where the running pass leaves the last input of a layer's time mixing.</summary>
    public Tensor NextAttention(int layer) => _attention[layer, 1 - _incoming];

    /// <summary>Where the running pass leaves the last input of a layer's channel mixing.</summary>
    public Tensor NextChannel(int layer) => _channel[layer, 1 - _incoming];

    /// <summary>Where the running pass leaves a layer's WKV state.</summary>
    public Tensor NextWkv(int layer) => _wkv[layer, 1 - _incoming];

    /// <inheritdoc/>
    public override void Advance(int positions)
    {
        base.Advance(positions);
        _incoming = 1 - _incoming;
    }

    /// <summary>Forgets all that was read.</summary>
    public void Reset() => Forget();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (Tensor[,] tensors in (Tensor[][,])[_attention, _channel, _wkv])
            foreach (Tensor tensor in tensors)
                tensor.Dispose();
    }
}
