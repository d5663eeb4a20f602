using Marrow.Adapters.Methods;
using Marrow.Engine.Models;
using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>LoRA in another program's file, as every command reads an adapter: its factors are shown under PEFT's names, in PEFT's shapes and row order.</summary>
public sealed class ForeignAdapter : AdapterFiles
{
    private readonly AdapterDocument _document;
    private MatrixTensors? _factors;

    private ForeignAdapter(AdapterDocument document)
        : base(document.Path, document.Tensors)
    {
        _document = document;
        AdapterContents contents = document.Read(null);
        LoraConfig config = LoraSettings.Of(Layers(contents), module => module);
        // Keys that name modules in a way of their own select none.
        Config = contents.Layers.Any(l => contents.Unresolved.Contains(l.Module)) ? config with { Targets = new() } : config;
    }

    /// <summary>The file's kind.</summary>
    public AdapterKind Kind => _document.Kind;

    /// <summary>Ranks and scales; the names of layers are the file's, as long as the model is not known.</summary>
    public override AdapterConfig Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings => [.. _document.Warnings];

    /// <inheritdoc/>
    internal override ITensorSource Values => _factors ?? Tensors;

    /// <summary>Opens a file of <paramref name="kind"/>.</summary>
    /// <exception cref="MarrowException">As the kind's reader; AC004 what only conversion can deal with.</exception>
    public static ForeignAdapter Open(AdapterKind kind, string path, double? alpha = null)
    {
        AdapterDocument document = kind.Open(path, alpha);
        try
        {
            return new ForeignAdapter(document);
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    internal override AdapterConfig ConfigFor(CausalModel model)
    {
        var weights = new BaseWeights(model);
        IReadOnlyList<LowRankLayer> layers = Layers(_document.Read(weights));
        _factors = MatrixTensors.OfFactors(Path, layers, weights.PathOf);
        return LoraSettings.Of(layers, weights.PathOf);
    }

    /// <inheritdoc/>
    protected override Func<string, string> KeysFor(CausalModel model, IReadOnlySet<string> stems) => name => name;

    private LowRankLayer[] Layers(AdapterContents contents) =>
    [
        .. contents.Layers.Select(l => l is LowRankLayer { Magnitude: null, IsEmbedding: false, OutputBias: null } low ? low : throw new ModelFileException("AC004", Path,
            $"'{Echo.Name(l.Module)}' has {l.Method}, which can be converted, but not computed with from such a file; convert it to a PEFT folder (marrow convert)")),
    ];
}
