using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Models;

/// <summary>
/// A language model that predicts the next token. Batches are concatenated sequences without padding: [N] tokens and the first row of
/// each sequence. The model's weights are frozen unless somebody makes parameters of them.
/// </summary>
public abstract class CausalModel : IDisposable
{
    private readonly List<Weight> _weights = [];
    private int[] _targets = [];

    /// <summary>A model on <paramref name="device"/>.</summary>
    protected CausalModel(Device device) => Device = device;

    /// <summary>Where it computes.</summary>
    public Device Device { get; }

    /// <summary>Every weight, in file order; a tied head is not listed twice.</summary>
    public IReadOnlyList<Weight> Weights => _weights;

    /// <summary>The linear layers that adapters can attach to, in order; the head is not among them.</summary>
    public abstract IReadOnlyList<LinearLayer> Linears { get; }

    /// <summary>The module that maps hidden states to logits, [V, C]; the embedding itself where they are tied.</summary>
    public abstract Weight Head { get; }

    /// <summary>Tokens in the vocabulary.</summary>
    public int VocabularySize => Head.Value.Shape.Rows;

    /// <summary>"llama", "qwen2", …: the family's name in config.json, for PEFT's default targets.</summary>
    public abstract string ModelType { get; }

    /// <summary>The longest sequence that the model was made for.</summary>
    public abstract int MaxPositions { get; }

    /// <summary>The soft cap of the logits; 0 for none.</summary>
    public virtual float LogitSoftCap => 0;

    /// <summary>Whether blocks are computed again in backward instead of keeping their activations.</summary>
    public bool ActivationCheckpointing { get; set; }

    /// <summary>The type of activations, their gradients and caches: F32, or BF16 on devices that run kernels. Logits are fp32 always.</summary>
    public DType ActivationType { get; set; } = DType.F32;

    /// <summary>Values in the matrices that multiply activations, head included: N of the 4·N FLOPs per trained token.</summary>
    public long MatrixParameters => Linears.Sum(l => l.Weight.Value.Shape.Count) + Head.Value.Shape.Count;

    /// <summary>Bytes of all weights.</summary>
    public long WeightBytes => _weights.Sum(w => w.Value.Bytes);

    /// <summary>The hidden states that the head reads: [N, C]. <paramref name="longest"/> is the largest position plus one.</summary>
    protected abstract Tensor Hidden(Tensor tokens, in Rows rows, int longest);

    /// <summary>Gives module "lm_head" a matrix of its own where it is tied to the embedding.</summary>
    public abstract void Untie();

    /// <summary>An empty cache for generating up to <paramref name="capacity"/> positions.</summary>
    public abstract KeyValueCache CreateCache(int capacity);

    /// <summary>
    /// scale · summed cross-entropy of the batch's counted targets, and each row's own loss at the row that predicts it.
    /// This is the one place where labels are shifted: row t predicts label t + 1 of the same sequence.
    /// </summary>
    public Tensor Loss(Tape tape, TokenBatch batch, float scale, out Tensor rowLoss)
    {
        Tensor x = Run(tape, batch);
        if (_targets.Length < batch.TokenCount)
            _targets = new int[batch.Tokens.Length];
        for (int s = 0; s < batch.Count; s++)
        {
            for (int t = batch.Starts[s]; t < batch.Starts[s + 1]; t++)
                _targets[t] = t + 1 < batch.Starts[s + 1] ? batch.Labels[t + 1] : TokenExample.Ignore;
        }
        return Ops.LinearCrossEntropy(x, Head.Value, tape.Upload(_targets.AsSpan(0, batch.TokenCount)), scale, out rowLoss, LogitSoftCap);
    }

    /// <summary>Logits of every row of a batch: [N, V].</summary>
    public Tensor Logits(Tape tape, TokenBatch batch) => HeadOf(tape, Run(tape, batch));

    /// <summary>Feeds more tokens of one sequence through <paramref name="cache"/> and returns the logits of the last: [1, V].</summary>
    public Tensor Next(Tape tape, ReadOnlySpan<int> tokens, KeyValueCache cache)
    {
        if (tokens.IsEmpty)
            throw new MarrowException("E107", "There is no token to go on from: the prompt is empty and the model has no token that starts a text. Give a prompt. [E107]");
        tape.ActivationType = ActivationType;
        Span<int> positions = tokens.Length <= 256 ? stackalloc int[tokens.Length] : new int[tokens.Length];
        for (int i = 0; i < positions.Length; i++)
            positions[i] = cache.Length + i;
        var rows = new Rows(tape.Upload(positions), tape.Upload([0, tokens.Length]), cache);
        Tensor x = Hidden(tape.Upload(tokens), rows, cache.Length + tokens.Length);
        cache.Advance(tokens.Length);
        Tensor last = tape.New(new Shape(1, x.Shape.Last), x.DType);
        Device.Copy(x.Buffer, x.Offset + (tokens.Length - 1) * last.Bytes, last.Buffer, last.Offset, last.Bytes);
        return HeadOf(tape, last);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the weights.</summary>
    protected virtual void Dispose(bool disposing)
    {
        foreach (Weight weight in _weights)
            weight.Dispose();
    }

    /// <summary>Adds a weight to <see cref="Weights"/> and returns it.</summary>
    protected Weight Own(Weight weight)
    {
        _weights.Add(weight);
        return weight;
    }

    private Tensor HeadOf(Tape tape, Tensor x)
    {
        tape.ActivationType = DType.F32;
        Tensor logits = Ops.Linear(x, Head.Value);
        return LogitSoftCap > 0 ? Ops.SoftCap(logits, LogitSoftCap) : logits;
    }

    private Tensor Run(Tape tape, TokenBatch batch)
    {
        tape.ActivationType = ActivationType;
        int n = batch.TokenCount, longest = 0;
        for (int t = 0; t < n; t++)
            longest = Math.Max(longest, batch.Positions[t] + 1);
        var rows = new Rows(tape.Upload(batch.Positions.AsSpan(0, n)), tape.Upload(batch.Starts.AsSpan(0, batch.Count + 1)), null);
        return Hidden(tape.Upload(batch.Tokens.AsSpan(0, n)), rows, longest);
    }
}
