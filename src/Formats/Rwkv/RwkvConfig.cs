using System.Globalization;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Rwkv;

/// <summary>
/// The sizes of an RWKV-6 or RWKV-7 model. All of them follow from the shapes of its tensors under their official names
/// (spec/architectures.md §§4.3, 4.4, 5.2); a config.json adds token ids only.
/// </summary>
public sealed record RwkvConfig : ModelConfig
{
    /// <summary>The model types that can be read.</summary>
    public static IReadOnlyList<string> SupportedTypes { get; } = ["rwkv6", "rwkv7"];

    /// <summary>6 or 7.</summary>
    public required int Version { get; init; }

    /// <summary>Channels of one head, n; the state of a head is n × n.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Channels within the channel mixing, F.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Width of the decay's low-rank path.</summary>
    public required int DecayRank { get; init; }

    /// <summary>RWKV-7: width of the in-context rate's low-rank path (a1, a2).</summary>
    public int RateRank { get; init; }

    /// <summary>RWKV-7: width of the value residual's low-rank path (v1, v2); 0 in a model of one block.</summary>
    public int ValueRank { get; init; }

    /// <summary>RWKV-7: width of the gate's low-rank path (g1, g2).</summary>
    public int GateRank { get; init; }

    /// <summary>RWKV-6: width of each of the five dynamic mixes.</summary>
    public int MixRank { get; init; }

    /// <summary>
    /// RWKV-6: after so many blocks each, GGUF files hold the matrices that write to the residual stream divided by one more 2, and their readers halve the
    /// stream; 0 for never. Official tensors are not divided.
    /// </summary>
    public int RescaleEvery { get; init; }

    /// <summary>Whether the file holds trained initial states (blocks.i.att.time_state).</summary>
    public bool HasInitialStates { get; init; }

    /// <summary>How the files name the tensors; null for RWKV-LM's own names.</summary>
    public RwkvNaming? Naming { get; init; }

    /// <summary>The epsilon of the layer norms.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>The epsilon of the norm over each head's output.</summary>
    public double HeadNormEps { get; init; } = 64e-5;

    /// <summary>Heads, H.</summary>
    public int HeadCount => HiddenSize / HeadSize;

    /// <summary>The path that the files give a module ("model.layers.0.attn.k_proj") whose official path is <paramref name="official"/> ("blocks.0.att.key"): what adapters' names go by.</summary>
    public string ModulePath(string official)
    {
        if (Naming is not { } naming)
            return official;
        NamingTable table = NamingTable.Of(naming);
        (string block, NamingRule? rule) = table.FromOfficial(official + ".weight");
        return rule is null ? official : table.Other(block, rule)[..^".weight".Length];
    }

    /// <summary>The official path of a module of a block by the name that it has in any of the namings; null where it is known in none.</summary>
    public static string? OfficialModule(string path)
    {
        const string Ending = ".weight";
        foreach (RwkvNaming naming in Enum.GetValues<RwkvNaming>())
        {
            if (NamingTable.Of(naming).FromOther(path + Ending) is { Block.Length: > 0, Rules: [var rule, ..] } found && rule.Official.EndsWith(Ending, StringComparison.Ordinal))
                return NamingTable.Official(found.Block, rule)[..^Ending.Length];
        }
        return null;
    }

    /// <summary>Whether these tensors are an RWKV model's under official names.</summary>
    public static bool IsPresent(ITensorSource tensors) => tensors.Tensors.ContainsKey(First + "att.r_k") || tensors.Tensors.ContainsKey(First + "att.time_maa_x");

    /// <summary>Whether these are an RWKV model's tensors, also of a version that is not supported and that <see cref="Of"/> refuses by its name.</summary>
    public static bool IsAnyVersion(ITensorSource tensors) => IsPresent(tensors) || IsOlder(tensors);

    private static bool IsOlder(ITensorSource tensors) => tensors.Tensors.ContainsKey(First + "att.time_decay");

    /// <summary>Reads the sizes off the tensors, which carry official names.</summary>
    /// <exception cref="ModelFileException">RW001 not an RWKV-6 or RWKV-7 model; RW002 sizes that contradict each other; TS001 a tensor is missing.</exception>
    public static RwkvConfig Of(ITensorSource tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        RwkvNaming? naming = (tensors as FlaTensors)?.Naming;
        int version = tensors.Tensors.ContainsKey(First + "att.r_k") ? 7 : tensors.Tensors.ContainsKey(First + "att.time_maa_x") ? 6
            : throw new ModelFileException("RW001", tensors.Path, IsOlder(tensors)
                ? "is an RWKV model of version 4 or 5; versions 6 and 7 are supported"
                : "is no RWKV model: it has neither blocks.0.att.r_k (RWKV-7) nor blocks.0.att.time_maa_x (RWKV-6)");
        if (version == 7 && tensors.Tensors.Keys.FirstOrDefault(IsResearch) is { } odd)
            throw new ModelFileException("RW001", tensors.Path, $"holds '{Echo.Name(odd)}', which belongs to an RWKV-7 research variant (v7a, v7b, v8), a different model; the plain RWKV-7 is supported");
        int[] emb = Sizes(tensors, "emb.weight", 2), heads = Sizes(tensors, First + (version == 7 ? "att.r_k" : "att.time_faaaa"), 2);
        int layers = Layers(tensors);
        if ((long)heads[0] * heads[1] != emb[1])
            throw new ModelFileException("RW002", tensors.Path, $"has {heads[0]} heads of {heads[1]} channels and an embedding of {emb[1]} channels; the heads must fill it");
        var config = new RwkvConfig
        {
            ModelType = version == 7 ? "rwkv7" : "rwkv6",
            Version = version,
            VocabularySize = emb[0],
            HiddenSize = emb[1],
            LayerCount = layers,
            HeadSize = heads[1],
            MaxPositions = int.MaxValue,
            IntermediateSize = Sizes(tensors, First + "ffn.key.weight", 2)[0],
            DecayRank = Sizes(tensors, First + (version == 7 ? "att.w1" : "att.time_decay_w1"), 2)[1],
            HasInitialStates = tensors.Tensors.Keys.Any(n => n.EndsWith(".att.time_state", StringComparison.Ordinal)),
            EosIds = [0],
            Naming = naming,
        };
        return version == 6 ? config with { MixRank = Sizes(tensors, First + "att.time_maa_w2", 3)[1] } : config with
        {
            RateRank = Sizes(tensors, First + "att.a1", 2)[1],
            ValueRank = layers > 1 ? Sizes(tensors, "blocks.1.att.v1", 2)[1] : 0,
            GateRank = Sizes(tensors, First + "att.g1", 2)[1],
        };
    }

    /// <inheritdoc/>
    public override bool IsMatrix(string name, ReadOnlySpan<int> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.EndsWith(".time_maa_w2", StringComparison.Ordinal) || (shape.Length == 2 && !name.EndsWith(".r_k", StringComparison.Ordinal) && !name.EndsWith(".time_faaaa", StringComparison.Ordinal));
    }

    /// <inheritdoc/>
    public override bool IsLinear(string name, ReadOnlySpan<int> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        return shape.Length == 2 && name.StartsWith("blocks.", StringComparison.Ordinal) && name.EndsWith(".weight", StringComparison.Ordinal);
    }

    /// <inheritdoc/>
    public override bool IsDerived(string name) => Version == 7 && name is First + "att.v0" or First + "att.v1" or First + "att.v2";

    /// <inheritdoc/>
    public override string Describe() =>
        string.Create(CultureInfo.InvariantCulture, $"{LayerCount} blocks, hidden {HiddenSize}, channel mixing {IntermediateSize}, {HeadCount} heads of {HeadSize}{(HasInitialStates ? ", trained initial states" : "")}");

    private const string First = "blocks.0.";

    private static bool IsResearch(string name) => name.StartsWith("qkv.", StringComparison.Ordinal) || name.Contains(".qkv.", StringComparison.Ordinal)
        || name.Contains(".ffn.s0", StringComparison.Ordinal) || name.Contains(".ffn.s_emb", StringComparison.Ordinal);

    private static int Layers(ITensorSource tensors)
    {
        int layers = 0;
        while (tensors.Tensors.ContainsKey($"blocks.{layers}.ln1.weight"))
            layers++;
        return layers > 0 ? layers : throw new ModelFileException("RW002", tensors.Path, "has no blocks.0.ln1.weight; the file is not whole");
    }

    private static int[] Sizes(ITensorSource tensors, string name, int rank)
    {
        TensorInfo info = tensors.Require(name);
        return info.Shape.Count == rank && info.Shape.All(d => d is > 0 and <= int.MaxValue) ? [.. info.Shape.Select(d => (int)d)]
            : throw new ModelFileException("RW002", tensors.Path, $"tensor '{Echo.Name(name)}' has shape {info.ShapeText}; {rank} dimensions above 0 are needed");
    }
}
