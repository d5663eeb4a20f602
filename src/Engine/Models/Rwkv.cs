using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Models;

/// <summary>
/// What RWKV-6 and RWKV-7 share: embedding, a norm, blocks of time and channel mixing, a norm, the head (spec/architectures.md §3.1). Training runs in
/// parallel over positions, generation with a state of constant size; both compute the same.
/// </summary>
public abstract class Rwkv : CausalModel
{
    private readonly Func<string, Shape, Tensor> _supply;
    private readonly List<LinearLayer> _linears = [];
    private readonly List<InitialState> _initialStates = [];
    private readonly Weight _embedding, _normWeight, _normBias;
    private RwkvBlock[] _blocks = [];
    private Weight _outWeight = null!, _outBias = null!, _head = null!;

    /// <summary>The parts before the blocks; <paramref name="supply"/> gives the tensor of each official name and shape.</summary>
    protected Rwkv(Device device, RwkvConfig config, Func<string, Shape, Tensor> supply)
        : base(device)
    {
        (Config, _supply) = (config, supply);
        _embedding = Make("emb.weight", config.VocabularySize, config.HiddenSize);
        (_normWeight, _normBias) = Norm("blocks.0.ln0");
    }

    /// <inheritdoc/>
    public override ModelConfig Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<LinearLayer> Linears => _linears;

    /// <inheritdoc/>
    public override IReadOnlyList<InitialState> InitialStates => _initialStates;

    /// <inheritdoc/>
    public override Weight Head => _head;

    /// <inheritdoc/>
    public override bool CarriesState => true;

    /// <summary>The sizes.</summary>
    protected RwkvConfig Sizes => (RwkvConfig)Config;

    /// <summary>The layer norms' epsilon.</summary>
    internal float NormEps => (float)Sizes.NormEps;

    /// <inheritdoc/>
    public override SequenceState CreateState(int capacity) => CreateCarriedState(1);

    /// <inheritdoc/>
    public override RecurrentState CreateCarriedState(int sequences) => new(Device, Sizes.LayerCount, sequences, Sizes.HiddenSize, Sizes.HeadSize, ActivationType);

    /// <summary>The head is never tied.</summary>
    public override void Untie()
    {
    }

    /// <inheritdoc/>
    protected override Tensor Hidden(Tensor tokens, in Rows rows, int longest)
    {
        Tape tape = tokens.Tape!;
        int scope = tape.Open();
        Tensor x = tape.Close(scope, Ops.LayerNorm(Ops.Embedding(tokens, _embedding.Value), _normWeight.Value, _normBias.Value, NormEps));
        Tensor? first = null;
        foreach (RwkvBlock block in _blocks)
        {
            Tensor? had = first;
            x = block.Forward(x, rows, ref first, ActivationCheckpointing);
            if (first != had)
                tape.Close(scope, first!, x);
            else
                x = tape.Close(first is null ? scope : scope + 1, x);
        }
        return tape.Close(scope, Ops.LayerNorm(x, _outWeight.Value, _outBias.Value, NormEps));
    }

    /// <summary>Takes the blocks, and makes what stands behind them.</summary>
    protected void Finish(IReadOnlyList<RwkvBlock> blocks)
    {
        _blocks = [.. blocks];
        (_outWeight, _outBias) = Norm("ln_out");
        _head = Make("head.weight", Sizes.VocabularySize, Sizes.HiddenSize);
    }

    /// <summary>A weight of the model.</summary>
    internal Weight Make(string name, params ReadOnlySpan<int> shape) => Own(new Weight(name, _supply(name, new Shape(shape))));

    /// <summary>A vector over the channels, [1, 1, C] as in the files.</summary>
    internal Weight Vector(string name) => Make(name, 1, 1, Sizes.HiddenSize);

    /// <summary>Weight and bias of a norm over the channels.</summary>
    internal (Weight Weight, Weight Bias) Norm(string name) => (Make(name + ".weight", Sizes.HiddenSize), Make(name + ".bias", Sizes.HiddenSize));

    /// <summary>A linear layer without bias, which adapters can attach to, by the path that the files give it.</summary>
    internal LinearLayer Linear(string path, int outputs, int inputs)
    {
        var layer = new LinearLayer(Sizes.ModulePath(path), Make(path + ".weight", outputs, inputs));
        _linears.Add(layer);
        return layer;
    }

    /// <summary>The place of a layer's initial state.</summary>
    internal InitialState Initial(string name)
    {
        RwkvConfig c = Sizes;
        var state = new InitialState(name, new Shape(c.HeadCount, c.HeadSize, c.HeadSize), c.HasInitialStates ? Make(name, c.HeadCount, c.HeadSize, c.HeadSize) : null);
        _initialStates.Add(state);
        return state;
    }
}
