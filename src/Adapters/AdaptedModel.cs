using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Adapters.Targets;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters;

/// <summary>
/// A model with an adapter attached. The trained values are those of PEFT's file, under its names ("base_model.model.model.layers.0…"): the
/// adapter's tensors in the order of the layers, then the modules trained whole, then the states that recurrent layers start from. Disposing takes
/// the adapter off again unless it is merged.
/// </summary>
public sealed class AdaptedModel : FineTuning
{
    private readonly LayerAdapter[] _adapters;
    private readonly TrainedWeight[] _saved;
    private readonly TrainedState[] _states;
    private readonly IReadOnlyList<string> _warnings;
    private State _state = State.Detached;

    /// <summary>Attaches a fresh adapter; equal seeds start with equal values.</summary>
    /// <exception cref="MarrowException">AD001 … AD007: the configuration does not fit the model; AD009 another adapter is attached; AD014 states of a model that has none.</exception>
    public AdaptedModel(CausalModel model, AdapterConfig config, ulong seed)
        : this(model, config)
    {
        IReadOnlyList<Parameter> parameters = Parameters.Parameters;
        int at = 0;
        foreach (AdapterTensor tensor in _adapters.SelectMany(a => a.Tensors))
        {
            if (tensor.Fill is not null)
            {
                var values = new float[tensor.Shape.Count];
                tensor.Fill(values, new SeededRandom(seed, (ulong)at));
                parameters[at].Value.Upload<float>(values);
            }
            at++;
        }
    }

    /// <param name="model">The base.</param>
    /// <param name="config">The settings.</param>
    /// <param name="check">Looks at the names and shapes of all trained tensors before memory is taken for them.</param>
    private AdaptedModel(CausalModel model, AdapterConfig config, Action<AdaptedModel, IReadOnlyList<(string Name, Shape Shape)>>? check = null)
    {
        config.Check();
        (Model, Config) = (model, config);
        if ((model.Linears.FirstOrDefault(l => l.Adapter is not null)?.Path ?? model.InitialStates.FirstOrDefault(s => s.Trained is not null)?.Name) is { } taken)
            throw new MarrowException("AD009", $"{taken} has an adapter already; detach or merge it first. [AD009]");
        if (config.TrainStates && model.InitialStates.Count == 0)
            throw new MarrowException("AD014", $"A {model.ModelType} model has no recurrent state that could be tuned; take an RWKV model, or another adapter.method. [AD014]");
        var selector = new TargetSelector(model, config.AdaptsLayers ? config.Targets : config.Targets with { TargetModules = new(ModulePattern.AllLinear) });
        Layers = config.AdaptsLayers ? selector.Layers() : [];
        LinearLayer[] order = [.. model.Linears];
        _adapters = [.. Layers.Select(l => config.CreateAdapter(l, Array.IndexOf(order, l)))];
        IReadOnlyList<Weight> saved = selector.SavedWeights();
        IReadOnlyList<InitialState> states = config.TrainStates ? model.InitialStates : [];
        _warnings = selector.Warnings;
        (string Name, Shape Shape)[] layout = [.. _adapters.SelectMany(a => a.Tensors.Select(t => (PeftKeys.Of(a.Layer.Path, t.Name), t.Shape))),
            .. saved.Select(w => (PeftKeys.Prefix + ModuleNames.NameOf(model, w), w.Value.Shape)), .. states.Select(s => (PeftKeys.Prefix + s.Name, s.Shape))];
        check?.Invoke(this, layout);
        Parameters = Reserve(model.Device, layout);
        int at = 0;
        foreach (LayerAdapter adapter in _adapters)
        {
            var values = new Tensor[adapter.Tensors.Count];
            for (int i = 0; i < values.Length; i++)
                values[i] = Parameters.Parameters[at++].Value;
            adapter.Bind(values);
        }
        _saved = [.. saved.Select(w => new TrainedWeight(w, Parameters.Parameters[at++], keepOriginal: true))];
        _states = [.. states.Select(s => new TrainedState(model, s, Parameters.Parameters[at++]))];
        Attach();
    }

    private enum State
    {
        Detached,
        Attached,
        Merged,
    }

    /// <inheritdoc/>
    public override CausalModel Model { get; }

    /// <inheritdoc/>
    public override ParameterSet Parameters { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings => _warnings;

    /// <summary>The adapter's settings.</summary>
    public AdapterConfig Config { get; }

    /// <summary>The adapted layers, in the model's order.</summary>
    public IReadOnlyList<LinearLayer> Layers { get; }

    /// <summary>What is attached to each of <see cref="Layers"/>.</summary>
    public IReadOnlyList<LayerAdapter> Adapters => _adapters;

    internal IReadOnlyList<TrainedWeight> Saved => _saved;

    internal IReadOnlyList<TrainedState> States => _states;

    // The first words of the adapter's tensor names, after which old files put the adapter's own name.
    private HashSet<string> Stems => [.. _adapters.SelectMany(a => a.Tensors).Select(t => t.Name.Split('.')[0])];

    /// <summary>Attaches the adapter of a PEFT folder or of an RWKV-PEFT file; <paramref name="adjust"/> may change settings that are training's alone.</summary>
    /// <exception cref="MarrowException">
    /// AD001 … AD014 as for a fresh one; PF006 … PF008, TS002, TS003 the file's tensors are not the expected ones; RP006 … RP009 as <see cref="RwkvPeft.RwkvPeftFile"/>.
    /// </exception>
    public static AdaptedModel Load(CausalModel model, AdapterFiles files, Func<AdapterConfig, AdapterConfig>? adjust = null)
    {
        IReadOnlyDictionary<string, string> stored = new Dictionary<string, string>();
        AdapterConfig config = files.ConfigFor(model);
        var adapted = new AdaptedModel(model, adjust?.Invoke(config) ?? config, (fresh, layout) => stored = files.Match(model, layout, fresh.Stems));
        try
        {
            foreach (Parameter parameter in adapted.Parameters.Parameters)
                parameter.Value.WriteFloats(files.Values.ReadFloats(stored[parameter.Name]));
            return adapted;
        }
        catch
        {
            adapted.Dispose();
            throw;
        }
    }

    /// <summary>Puts the adapter on the model.</summary>
    /// <exception cref="MarrowException">AD009 it is merged.</exception>
    public void Attach()
    {
        Expect(_state != State.Merged, "is merged into the weights; unmerge it first");
        if (_state == State.Attached)
            return;
        foreach (LayerAdapter adapter in _adapters)
            adapter.Layer.Adapter = adapter;
        foreach (TrainedWeight weight in _saved)
            weight.Attach();
        foreach (TrainedState state in _states)
            state.Attach();
        _state = State.Attached;
    }

    /// <summary>Takes the adapter off: the model computes as its base. The values stay.</summary>
    /// <exception cref="MarrowException">AD009 it is merged.</exception>
    public void Detach()
    {
        Expect(_state != State.Merged, "is merged into the weights; unmerge it first");
        if (_state == State.Detached)
            return;
        foreach (LayerAdapter adapter in _adapters)
            adapter.Layer.Adapter = null;
        foreach (TrainedWeight weight in _saved)
            weight.Detach();
        foreach (TrainedState state in _states)
            state.Detach();
        _state = State.Detached;
    }

    /// <summary>
    /// Works the adapter into the model's weights, computed in double precision and rounded once to the type in memory, and takes it off.
    /// The certificate says by how much the weights changed, and how far the logits of <paramref name="probe"/> lie from those of the adapter.
    /// </summary>
    /// <exception cref="MarrowException">AD008 a value or a merged weight is not finite (nothing is changed then); AD009 the adapter is not attached.</exception>
    public MergeCertificate Merge(TokenBatch probe)
    {
        Expect(_state == State.Attached, "is not attached; attach it before merging");
        TensorChange[] changes = AdapterMerge.Measure(this);
        float[] before = AdapterMerge.Logits(Model, probe);
        Detach();
        foreach (LayerAdapter adapter in _adapters)
            AdapterMerge.Change(adapter, undo: false);
        foreach (TrainedWeight weight in _saved)
            weight.Merge();
        foreach (TrainedState state in _states)
            state.Merge();
        _state = State.Merged;
        return new MergeCertificate(changes, LogitDifference.Of(before, AdapterMerge.Logits(Model, probe), probe.TokenCount));
    }

    /// <summary>
    /// Takes a merged adapter out of the weights again and attaches it. Modules trained whole come back exactly, adapted weights within
    /// <see cref="TensorChange.UnmergeError"/> of the certificate.
    /// </summary>
    /// <exception cref="MarrowException">AD009 it is not merged; AD011 the change cannot be undone.</exception>
    public void Unmerge()
    {
        Expect(_state == State.Merged, "is not merged");
        if (_adapters.FirstOrDefault(a => !a.Change().CanUndo) is { } stuck)
            throw new MarrowException("AD011", $"{stuck.Layer.Path}: merging this {Config.Method.Name} adapter cannot be undone ({(Config is DoraConfig ? "the norms of the rows are not kept" : "a block I + B is singular")}); load the base model again. [AD011]");
        foreach (LayerAdapter adapter in _adapters)
            AdapterMerge.Change(adapter, undo: true);
        foreach (TrainedState state in _states)
            state.Unmerge();
        _state = State.Detached;
        Attach();
    }

    /// <summary>States decay only where <see cref="AdapterConfig.DecayStates"/> says so; everything else does.</summary>
    public override bool Decays(Parameter parameter) => Config.DecayStates || Array.TrueForAll(_states, s => s.Parameter != parameter);

    /// <summary>Writes a PEFT folder, or an RWKV-PEFT file where <paramref name="path"/> ends in .pth.</summary>
    /// <exception cref="MarrowException">AD013 the adapter is none that such files can hold; IO008, IO009 it cannot be written.</exception>
    public override void Save(string path, ModelFolder? source)
    {
        if (ModelFolderWriter.IsFile(path))
            RwkvPeftFile.Write(path, this);
        else
            PeftFolder.Write(path, this, source?.Path);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_state == State.Attached)
            Detach();
        foreach (LayerAdapter adapter in _adapters)
            adapter.Dispose();
        foreach (TrainedWeight weight in _saved)
            weight.Free();
        foreach (TrainedState state in _states)
            state.Dispose();
        Parameters.Dispose();
    }

    private void Expect(bool holds, string message)
    {
        if (!holds)
            throw new MarrowException("AD009", $"The {Config.Method.Name} adapter {message}. [AD009]");
    }
}
