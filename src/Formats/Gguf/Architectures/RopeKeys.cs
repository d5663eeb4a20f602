using System.Globalization;
using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>
/// The stretch of rotary frequencies as metadata: linear and yarn. That of Llama 3.1 is a tensor of factors, which readers divide frequencies by;
/// what made the factors is put beside it, in keys that only this program reads.
/// </summary>
internal static class RopeKeys
{
    private const int MostPositions = 1 << 30;
    private const double UsualFast = 32, UsualSlow = 1;
    private const string Type = "rope.scaling.type", Factor = "rope.scaling.factor", Original = "rope.scaling.original_context_length", Attention = "rope.scaling.attn_factor",
        Fast = "rope.scaling.yarn_beta_fast", Slow = "rope.scaling.yarn_beta_slow", Extrapolated = "rope.scaling.yarn_ext_factor", Low = "rope.scaling.low_freq_factor", High = "rope.scaling.high_freq_factor";

    public static RopeScaling? Read(GgufKeys keys, LlamaConfig config, ITensorSource tensors)
    {
        string? type = keys.Values.Text(keys.Key(Type));
        double? stretch = keys.Number(Factor) ?? keys.Number("rope.scale_linear");
        RopeScaling? scaling = type switch
        {
            "none" => null,
            null or "linear" => stretch is null or 0 or 1 ? null : new RopeScaling.Linear(Above0(keys, stretch.Value)),
            "yarn" => Yarn(keys, config, Above0(keys, stretch ?? throw keys.Values.Error("GA004", keys.Key(Factor), "is missing; yarn needs it"))),
            _ => throw keys.Values.Error("GA005", keys.Key(Type), $"'{Echo.Name(type)}' is not supported; supported are none, linear, yarn, and the factors of Llama 3.1"),
        };
        if (scaling is not RopeScaling.Yarn && keys.Number(Attention) is { } ratio and not (0 or 1))
            throw keys.Values.Error("GA005", keys.Key(Attention), string.Create(CultureInfo.InvariantCulture, $"is {ratio:R}, which only yarn is supported with"));
        if (Llama3Factors.Read(keys, config, tensors, keys.Positive(Low), keys.Positive(High), keys.Size(Original, MostPositions)) is not { } llama3)
            return scaling;
        return scaling is null ? llama3 : throw keys.Values.Error("GA005", keys.Key(Type), $"says {scaling.TypeName}, but there are factors of Llama 3.1 too; such a model is not supported");
    }

    /// <summary>Whether yarn's ramp has its usual ends, the only ones that llama.cpp stretches these architectures by.</summary>
    public static bool HasUsualRamp(RopeScaling? scaling) => scaling is not RopeScaling.Yarn yarn || (yarn.BetaFast == UsualFast && yarn.BetaSlow == UsualSlow);

    public static void Write(GgufKeys keys, LlamaConfig config, bool factors)
    {
        switch (config.RopeScaling)
        {
            case null:
                break;
            case RopeScaling.Linear linear:
                keys.Set(Type, "linear");
                keys.Set(Factor, linear.Factor);
                break;
            case RopeScaling.Llama3 llama3 when factors:
                keys.Set(Low, llama3.LowFreqFactor);
                keys.Set(High, llama3.HighFreqFactor);
                keys.Set(Original, llama3.OriginalMaxPositions);
                break;
            case RopeScaling.Yarn { Truncate: true } yarn:
                keys.Set(Type, "yarn");
                keys.Set(Factor, yarn.Factor);
                keys.Set(Original, yarn.OriginalMaxPositions);
                SetUnless(keys, Fast, yarn.BetaFast, UsualFast);
                SetUnless(keys, Slow, yarn.BetaSlow, UsualSlow);
                double ratio = yarn.AttentionFactor / Usual(yarn.Factor);
                if (Math.Abs(ratio - 1) > 1e-6)
                    keys.Set(Attention, ratio);
                break;
            default:
                throw keys.Values.Error("GA006", "rope_scaling", $"of the model is {config.RopeScaling.TypeName}{(config.RopeScaling is RopeScaling.Yarn ? " without truncation" : "")}, "
                    + $"for which GGUF of the architecture {config.ModelType} has no key; keep the model in another kind of file");
        }
    }

    private static RopeScaling.Yarn Yarn(GgufKeys keys, LlamaConfig config, double factor)
    {
        if (keys.Number("rope.scaling.yarn_log_multiplier") is { } log && log != 0)
            throw keys.Values.Error("GA005", keys.Key("rope.scaling.yarn_log_multiplier"), string.Create(CultureInfo.InvariantCulture, $"is {log:R}; only models without it are supported"));
        // Below 0 stands for no value.
        if (keys.Number(Extrapolated) is { } share and >= 0 and not 1)
            throw keys.Values.Error("GA005", keys.Key(Extrapolated), string.Create(CultureInfo.InvariantCulture, $"is {share:R}; only 1 is supported"));
        double fast = keys.Positive(Fast) ?? UsualFast, slow = keys.Positive(Slow) ?? UsualSlow;
        if (slow >= fast)
            throw keys.Values.Error("GA005", keys.Key(Slow), string.Create(CultureInfo.InvariantCulture, $"is {slow:R}, but must be below {fast:R}"));
        // llama.cpp's factor comes on top of what yarn has by itself; its converter writes Hugging Face's, which is the whole, under another key.
        double attention = keys.Positive(Attention) is { } ratio ? Shortest(ratio, Usual(factor)) : keys.Positive("rope.scaling.yarn_attn_factor") ?? Usual(factor);
        return new RopeScaling.Yarn(factor, keys.Size(Original, MostPositions) ?? config.MaxPositions, fast, slow, attention, Truncate: true);
    }

    private static double Usual(double factor) => RopeScaling.Yarn.DefaultAttentionFactor(factor, null, null);

    // The shortest decimal number that gives this ratio in 32 bits, as a config.json has it.
    private static double Shortest(double ratio, double usual)
    {
        for (int digits = 1; digits < 10; digits++)
            if (double.Parse((ratio * usual).ToString($"G{digits}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) is var number && (float)(number / usual) == (float)ratio)
                return number;
        return ratio * usual;
    }

    private static double Above0(GgufKeys keys, double factor) => factor > 0 ? factor
        : throw keys.Values.Error("GA004", keys.Key(Factor), string.Create(CultureInfo.InvariantCulture, $"is {factor:R}, but must be above 0"));

    private static void SetUnless(GgufKeys keys, string name, double value, double usual)
    {
        if (value != usual)
            keys.Set(name, value);
    }
}
