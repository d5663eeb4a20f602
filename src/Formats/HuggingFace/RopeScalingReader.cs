namespace Marrow.Formats.HuggingFace;

/// <summary>Reads theta and scaling from `rope_theta` + `rope_scaling` or from the newer `rope_parameters`.</summary>
internal static class RopeScalingReader
{
    private const double UsualTheta = 10_000, UsualGlobalTheta = 1_000_000;
    private const int MostPositions = 1 << 30;

    /// <summary>As <see cref="Read"/>, where sliding layers have a theta of their own and no scaling (gemma3_text).</summary>
    public static (double Theta, RopeScaling? Scaling, double? LocalTheta) ReadByLayerType(JsonFields config, int maxPositions)
    {
        double? outerLocal = config.Positive("rope_local_base_freq", "HF009");
        if (config.Object("rope_parameters") is not { } both || !(both.Has("full_attention") || both.Has("sliding_attention")))
            return Read(config, maxPositions, UsualGlobalTheta) with { LocalTheta = outerLocal ?? UsualTheta };
        JsonFields full = Part("full_attention"), sliding = Part("sliding_attention");
        if (ReadScaling(config, sliding, maxPositions) is { } local)
            throw sliding.Error("HF009", "rope_type", $"'{local.TypeName}' is not supported for sliding layers; only default is");
        double theta = full.Positive("rope_theta", "HF009") ?? UsualGlobalTheta, localTheta = sliding.Positive("rope_theta", "HF009") ?? UsualTheta;
        RopeScaling? scaling = ReadScaling(config, full, maxPositions);
        Agree("rope_theta", (config.Positive("rope_theta", "HF009") ?? theta) == theta);
        Agree("rope_local_base_freq", (outerLocal ?? localTheta) == localTheta);
        Agree("rope_scaling", config.Object("rope_scaling") is not { } older || ReadScaling(config, older, maxPositions) == scaling);
        return (theta, scaling, localTheta);

        JsonFields Part(string key) => both.Object(key) ?? throw both.Error("HF009", key, "is missing");

        void Agree(string key, bool agrees)
        {
            if (!agrees)
                throw config.Error("HF009", key, "and 'rope_parameters' disagree; keep one of them");
        }
    }

    public static (double Theta, RopeScaling? Scaling, double? LocalTheta) Read(JsonFields config, int maxPositions, double usualTheta = UsualTheta)
    {
        JsonFields? older = config.Object("rope_scaling"), newer = config.Object("rope_parameters");
        if (config.Number("partial_rotary_factor") is { } partial && partial != 1)
            throw config.Error("HF009", "partial_rotary_factor", "other than 1 is not supported; all channels of a head must rotate");
        RopeScaling? scaling = older is null ? null : ReadScaling(config, older, maxPositions);
        if (newer is not null)
        {
            RopeScaling? second = ReadScaling(config, newer, maxPositions);
            if (older is not null && second != scaling)
                throw config.Error("HF009", "rope_scaling", "and 'rope_parameters' disagree; keep one of them");
            scaling = second;
        }
        double? inner = newer?.Positive("rope_theta", "HF009") ?? older?.Positive("rope_theta", "HF009");
        double? outer = config.Positive("rope_theta", "HF009");
        if (inner is { } a && outer is { } b && a != b)
            throw config.Error("HF009", "rope_theta", $"is {b:R}, but the rope parameters say {a:R}; keep one of them");
        return (inner ?? outer ?? usualTheta, scaling, null);
    }

    private static RopeScaling? ReadScaling(JsonFields config, JsonFields rope, int maxPositions)
    {
        if (rope.Number("partial_rotary_factor") is { } partial && partial != 1)
            throw rope.Error("HF009", "partial_rotary_factor", "other than 1 is not supported; all channels of a head must rotate");
        string type = rope.Text("rope_type") ?? rope.Text("type") ?? (rope.Has("factor")
            ? throw rope.Error("HF009", "rope_type", "is missing") : rope.Keys.All(k => k == "rope_theta" || !rope.Has(k)) ? "default"
            : throw rope.Error("HF009", "rope_type", "is missing; parameters by layer type are not supported"));
        int? original = (int?)(rope.Integer("original_max_position_embeddings", 1, MostPositions, "HF009")
            ?? config.Integer("original_max_position_embeddings", 1, MostPositions, "HF009"));
        switch (type)
        {
            case "default":
                return null;
            case "linear":
                return new RopeScaling.Linear(Required(rope, "factor"));
            case "dynamic":
                return new RopeScaling.Dynamic(Required(rope, "factor"), original ?? maxPositions);
            case "llama3":
                double low = Required(rope, "low_freq_factor"), high = Required(rope, "high_freq_factor");
                if (low >= high)
                    throw rope.Error("HF009", "low_freq_factor", $"is {low:R}, but must be below high_freq_factor {high:R}");
                return new RopeScaling.Llama3(Required(rope, "factor"), low, high,
                    original ?? throw rope.Error("HF009", "original_max_position_embeddings", "is missing"));
            case "yarn":
                double factor = rope.Positive("factor", "HF009")
                    ?? (original is { } o ? (double)maxPositions / o : throw rope.Error("HF009", "factor", "is missing"));
                double fast = rope.Positive("beta_fast", "HF009") ?? 32, slow = rope.Positive("beta_slow", "HF009") ?? 1;
                if (slow >= fast)
                    throw rope.Error("HF009", "beta_slow", $"is {slow:R}, but must be below beta_fast {fast:R}");
                return new RopeScaling.Yarn(factor, original ?? maxPositions, fast, slow,
                    rope.Positive("attention_factor", "HF009")
                        ?? RopeScaling.Yarn.DefaultAttentionFactor(factor, rope.Number("mscale"), rope.Number("mscale_all_dim")),
                    rope.Flag("truncate") ?? true);
            default:
                throw rope.Error("HF009", "rope_type", $"'{Echo.Name(type)}' is not supported; supported are default, linear, dynamic, llama3, yarn");
        }
    }

    private static double Required(JsonFields rope, string key) =>
        rope.Positive(key, "HF009") ?? throw rope.Error("HF009", key, "is missing");
}
