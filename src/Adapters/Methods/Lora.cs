using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Formats;
using Tensor = Marrow.Engine.Tensor;

namespace Marrow.Adapters.Methods;

/// <summary>LoRA: W' = W + s·B·A with s = alpha/r, or alpha/√r for rsLoRA (spec/adapters.md §3.1, §3.2).</summary>
public record LoraConfig : AdapterConfig
{
    internal static AdapterMethod Entry { get; } = new("lora", "LORA", Read);

    /// <inheritdoc/>
    public override int R { get; init; } = 8;

    /// <summary>The numerator of the scale.</summary>
    public double LoraAlpha { get; init; } = 8;

    /// <summary>Divides alpha by √r instead of r.</summary>
    public bool UseRslora { get; init; }

    /// <summary>The probability with which inputs of the low-rank path are dropped in training.</summary>
    public double LoraDropout { get; init; }

    /// <summary>Ranks of single layers; the first pattern that matches counts.</summary>
    public LayerPattern RankPattern { get; init; } = new([]);

    /// <summary>Alphas of single layers; the first pattern that matches counts.</summary>
    public LayerPattern AlphaPattern { get; init; } = new([]);

    /// <summary>Whether a magnitude for each output scales the adapted weight's rows.</summary>
    public virtual bool UseDora => false;

    /// <inheritdoc/>
    public override AdapterMethod Method => Entry;

    /// <inheritdoc/>
    public override IReadOnlyList<PeftSwitch> Switches =>
    [
        .. UseDora ? (PeftSwitch[])[] : [new("use_dora", "false")], new("lora_bias", "false"), new("fan_in_fan_out", "false"), new("layer_replication"), new("megatron_config"),
        new("target_parameters"), new("trainable_token_indices"), new("use_qalora", "false"), new("use_bdlora") { IsWritten = false },
        new("alora_invocation_tokens") { IsWritten = false }, new("arrow_config") { IsWritten = false }, new("kasa_config") { IsWritten = false },
        new("monteclora_config") { IsWritten = false }, new("velora_config") { IsWritten = false }, new("ensure_weight_tying") { IsWritten = false },
        new("loftq_config", "{}") { IsHarmless = true }, new("corda_config") { IsHarmless = true }, new("eva_config") { IsHarmless = true },
        new("lora_ga_config") { IsHarmless = true, IsWritten = false }, new("megatron_core", "\"megatron.core\"") { IsHarmless = true },
        new("qalora_group_size", "16") { IsHarmless = true },
    ];

    /// <inheritdoc/>
    public override void Check()
    {
        base.Check();
        Require(double.IsFinite(LoraAlpha), $"lora_alpha is {LoraAlpha}, but must be a finite number");
        RequireProbability("lora_dropout", LoraDropout);
        foreach ((string pattern, double rank) in RankPattern.Entries)
            Require(rank > 0 && rank <= int.MaxValue && double.IsInteger(rank), $"rank_pattern '{Echo.Name(pattern)}' is {rank}, but must be a whole number above 0");
        foreach ((string pattern, double alpha) in AlphaPattern.Entries)
            Require(double.IsFinite(alpha), $"alpha_pattern '{Echo.Name(pattern)}' is {alpha}, but must be a finite number");
    }

    /// <inheritdoc/>
    public override LayerAdapter CreateAdapter(LinearLayer layer, int site)
    {
        (int r, double scale) = RankAndScale(layer);
        return new LoraLayer(layer, r, scale, (float)LoraDropout, site, InitWeights);
    }

    /// <summary>The rank and the scale of a layer's adapter.</summary>
    protected (int R, double Scale) RankAndScale(LinearLayer layer)
    {
        int r = (int)(RankPattern.Find(layer.Path) ?? R);
        double alpha = AlphaPattern.Find(layer.Path) ?? LoraAlpha;
        return (r, alpha / (UseRslora ? Math.Sqrt(r) : r));
    }

    /// <inheritdoc/>
    public override void Write(JsonObject fields)
    {
        fields["r"] = R;
        fields["lora_alpha"] = LoraAlpha;
        fields["lora_dropout"] = PeftJson.Real(LoraDropout);
        fields["use_rslora"] = UseRslora;
        fields["init_lora_weights"] = InitWeights switch { AdapterInit.Gaussian => "gaussian", AdapterInit.Random => false, _ => true };
        fields["rank_pattern"] = RankPattern.ToJson();
        fields["alpha_pattern"] = AlphaPattern.ToJson();
    }

    private static LoraConfig? Read(PeftDocument document) =>
        document.PeftType == Entry.PeftType && document.Json.Flag("use_dora") is not true ? ReadSettings(document) : null;

    /// <summary>Reads the settings that LoRA and DoRA share.</summary>
    private protected static LoraConfig ReadSettings(PeftDocument document)
    {
        JsonFields json = document.Json;
        return new LoraConfig
        {
            R = document.Rank("r", 8),
            LoraAlpha = json.Number("lora_alpha") ?? 8,
            LoraDropout = json.Number("lora_dropout") ?? 0,
            UseRslora = json.Flag("use_rslora") ?? false,
            InitWeights = ReadInit(document),
            RankPattern = LayerPattern.Read(json, "rank_pattern"),
            AlphaPattern = LayerPattern.Read(json, "alpha_pattern"),
        };
    }

    /// <summary>Whether a start, as the JSON of init_lora_weights names it, was taken off the base model (PiSSA, OLoRA and what is unknown).</summary>
    internal static bool IsOnChangedBase(string start) => start is not ("null" or "true" or "false" or "\"gaussian\"" or "\"eva\"" or "\"orthogonal\"" or "\"mica\"");

    // The file holds the values, so how they began matters only where the base was changed with them.
    private static AdapterInit ReadInit(PeftDocument document)
    {
        switch (document.Json.Raw("init_lora_weights"))
        {
            case "null" or "true":
                return AdapterInit.Default;
            case "false":
                return AdapterInit.Random;
            case "\"gaussian\"":
                return AdapterInit.Gaussian;
            case var known when !IsOnChangedBase(known):
                document.Warnings.Add($"{document.Json.Path}: init_lora_weights is only a note here, the values come from the file; it is written again as true");
                return AdapterInit.Default;
            case var other:
                throw document.Json.Error("PF005", "init_lora_weights", $"is {Echo.Name(other)}: such an adapter belongs to a changed base model, "
                    + "and computes wrongly on the plain one; make it plain LoRA first, with its start (marrow convert ADAPTER OUT --to peft --init START, the untrained adapter's folder)");
        }
    }
}

internal class LoraLayer(LinearLayer layer, int r, double scale, float dropout, int site, AdapterInit init) : LayerAdapter(layer)
{
    public override IReadOnlyList<AdapterTensor> Tensors { get; } =
    [
        new("lora_A.weight", new Shape(r, layer.Inputs), init == AdapterInit.Gaussian
            ? (values, random) => random.FillNormal(values, 1f / r)
            : (values, random) => random.FillUniform(values, 1f / MathF.Sqrt(layer.Inputs))),
        new("lora_B.weight", new Shape(layer.Outputs, r), init == AdapterInit.Random
            ? (values, random) => random.FillUniform(values, 1f / MathF.Sqrt(r)) : null),
    ];

    public override Tensor Forward(LinearLayer layer, Tensor x)
    {
        Tensor h = Ops.Linear(Ops.Dropout(x, dropout, (ulong)site), Values[0]);
        return Ops.AddMatMul(layer.Base(x), h, Values[1], transposed: true, (float)scale);
    }

    public override WeightChange Change() => new Delta(Doubles(0), Doubles(1), r, scale);

    private sealed class Delta(double[] a, double[] b, int r, double scale) : WeightDelta
    {
        protected override void Add(int output, Span<double> row, double factor)
        {
            for (int k = 0; k < r; k++)
                TensorPrimitives.MultiplyAdd(a.AsSpan(k * row.Length, row.Length), factor * scale * b[output * r + k], row, row);
        }
    }
}
