using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Models;

/// <summary>
/// A language model that predicts the next token. Batches are concatenated sequences without padding: [N] tokens and the first row of
/// each sequence. The model's weights are frozen unless somebody makes parameters of them.
/// </summary>
public abstract class CausalModel : IDisposable
{
    private readonly List<Weight> _weights = [];
    private readonly BatchSegment _whole = new();

    /// <summary>A model on <paramref name="device"/>.</summary>
    protected CausalModel(Device device) => Device = device;

    /// <summary>Where it computes.</summary>
    public Device Device { get; }

    /// <summary>Every weight, in file order; a tied head is not listed twice.</summary>
    public IReadOnlyList<Weight> Weights => _weights;

    /// <summary>The linear layers that adapters can attach to, in order; the head is not among them.</summary>
    public abstract IReadOnlyList<LinearLayer> Linears { get; }

    /// <summary>What the recurrent layers start from, in order; empty for models without.</summary>
    public virtual IReadOnlyList<InitialState> InitialStates => [];

    /// <summary>The module that maps hidden states to logits, [V, C]; the embedding itself where they are tied.</summary>
    public abstract Weight Head { get; }

    /// <summary>Tokens in the vocabulary.</summary>
    public int VocabularySize => Head.Value.Shape.Rows;

    /// <summary>The configuration it was built from.</summary>
    public abstract ModelConfig Config { get; }

    /// <summary>"llama", "rwkv7", …: the family's name in config.json, for PEFT's default targets.</summary>
    public string ModelType => Config.ModelType;

    /// <summary>The longest sequence that the model was made for.</summary>
    public int MaxPositions => Config.MaxPositions;

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

    /// <summary>An empty state for generating up to <paramref name="capacity"/> positions of one sequence.</summary>
    public abstract SequenceState CreateState(int capacity);

    /// <summary>Whether sequences can be read in segments, with a state carried from one to the next.</summary>
    public virtual bool CarriesState => false;

    /// <summary>An empty state for reading <paramref name="sequences"/> sequences in segments.</summary>
    /// <exception cref="NotSupportedException">The model does not carry a state.</exception>
    public virtual RecurrentState CreateCarriedState(int sequences) => throw new NotSupportedException($"a {ModelType} model sees sequences whole");

    /// <summary>scale · summed cross-entropy of the batch's counted targets, and each row's own loss at the row that predicts it.</summary>
    public Tensor Loss(Tape tape, TokenBatch batch, float scale, out Tensor rowLoss)
    {
        _whole.Fill(batch);
        return Loss(tape, _whole, null, scale, out rowLoss);
    }

    /// <summary>As for a whole batch, of one segment of it; <paramref name="state"/> is what the segments before left. The caller advances it, after backward.</summary>
    public Tensor Loss(Tape tape, BatchSegment segment, SequenceState? state, float scale, out Tensor rowLoss)
    {
        Tensor x = Run(tape, segment, state);
        return Ops.LinearCrossEntropy(x, Head.Value, tape.Upload(segment.Targets), scale, out rowLoss, LogitSoftCap);
    }

    /// <summary>Logits of every row of a batch: [N, V].</summary>
    public Tensor Logits(Tape tape, TokenBatch batch)
    {
        _whole.Fill(batch);
        return HeadOf(tape, Run(tape, _whole, null));
    }

    /// <summary>Feeds more tokens of one sequence through <paramref name="state"/> and returns the logits of the last: [1, V].</summary>
    public Tensor Next(Tape tape, ReadOnlySpan<int> tokens, SequenceState state)
    {
        if (tokens.IsEmpty)
            throw new MarrowException("E107", "There is no token to go on from: the prompt is empty and the model has no token that starts a text. Give a prompt. [E107]");
        tape.ActivationType = ActivationType;
        Span<int> positions = tokens.Length <= 256 ? stackalloc int[tokens.Length] : new int[tokens.Length];
        for (int i = 0; i < positions.Length; i++)
            positions[i] = state.Length + i;
        var rows = new Rows(tape.Upload(positions), tape.Upload([0, tokens.Length]), state);
        Tensor x = Hidden(tape.Upload(tokens), rows, state.Length + tokens.Length);
        state.Advance(tokens.Length);
        Tensor last = tape.New(new Shape(1, x.Shape.Last), x.DType);
        Device.Copy(x.Buffer, x.Offset + (tokens.Length - 1) * last.Bytes, last.Buffer, last.Offset, last.Bytes);
        return HeadOf(tape, last);
    }

    /// <summary>
    /// Makes <paramref name="value"/> the model's own start of a recurrent layer that had none, the last of <see cref="Weights"/>; null takes it out again.
    /// </summary>
    public void Store(InitialState state, Tensor? value)
    {
        if (value is not null)
        {
            state.Stored = Own(new Weight(state.Name, value));
        }
        else if (state.Stored is { } stored)
        {
            state.Stored = null;
            _weights.Remove(stored);
            stored.Dispose();
        }
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

    private Tensor Run(Tape tape, BatchSegment segment, SequenceState? state)
    {
        tape.ActivationType = ActivationType;
        var rows = new Rows(tape.Upload(segment.Positions), tape.Upload(segment.Starts), state);
        return Hidden(tape.Upload(segment.Tokens), rows, segment.End);
    }
}
