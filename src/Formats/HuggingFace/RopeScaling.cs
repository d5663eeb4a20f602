namespace Marrow.Formats.HuggingFace;

/// <summary>How rotary frequencies are stretched to longer contexts; one nested record per kind (spec/architectures.md §2.3).</summary>
public abstract record RopeScaling
{
    private RopeScaling()
    {
    }

    /// <summary>The name in config.json ("linear", "dynamic", "llama3", "yarn").</summary>
    public abstract string TypeName { get; }

    /// <summary>Every frequency divided by the factor.</summary>
    /// <param name="Factor">The stretch, above 0.</param>
    public sealed record Linear(double Factor) : RopeScaling
    {
        /// <inheritdoc/>
        public override string TypeName => "linear";
    }

    /// <summary>NTK scaling: a larger theta once the sequence is longer than the original context.</summary>
    /// <param name="Factor">The stretch, above 0.</param>
    /// <param name="OriginalMaxPositions">Tokens of the original context.</param>
    public sealed record Dynamic(double Factor, int OriginalMaxPositions) : RopeScaling
    {
        /// <inheritdoc/>
        public override string TypeName => "dynamic";
    }

    /// <summary>Llama 3.1: long waves divided by the factor, short ones kept, a ramp between.</summary>
    /// <param name="Factor">The stretch, above 0.</param>
    /// <param name="LowFreqFactor">Waves longer than the original context over this are stretched in full.</param>
    /// <param name="HighFreqFactor">Waves shorter than the original context over this are kept; above <paramref name="LowFreqFactor"/>.</param>
    /// <param name="OriginalMaxPositions">Tokens of the original context.</param>
    public sealed record Llama3(double Factor, double LowFreqFactor, double HighFreqFactor, int OriginalMaxPositions) : RopeScaling
    {
        /// <inheritdoc/>
        public override string TypeName => "llama3";
    }

    /// <summary>YaRN (arXiv 2309.00071): a ramp between kept and stretched frequencies, cos and sin times an attention factor.</summary>
    /// <param name="Factor">The stretch, above 0.</param>
    /// <param name="OriginalMaxPositions">Tokens of the original context.</param>
    /// <param name="BetaFast">Rotations over the original context above which a frequency is kept.</param>
    /// <param name="BetaSlow">Rotations below which a frequency is stretched in full.</param>
    /// <param name="AttentionFactor">What cos and sin are multiplied by, already resolved from attention_factor, mscale and mscale_all_dim.</param>
    /// <param name="Truncate">Whether the ramp's ends are rounded outwards to whole channels.</param>
    public sealed record Yarn(double Factor, int OriginalMaxPositions, double BetaFast, double BetaSlow, double AttentionFactor, bool Truncate) : RopeScaling
    {
        /// <inheritdoc/>
        public override string TypeName => "yarn";

        /// <summary>The attention factor of files that give none: 0.1·ln(factor) + 1, and with both scales the ratio of (0.1·m·ln(factor) + 1).</summary>
        public static double DefaultAttentionFactor(double factor, double? mscale, double? mscaleAllDim) =>
            mscale is { } m && m != 0 && mscaleAllDim is { } all && all != 0 ? Scale(factor, m) / Scale(factor, all) : Scale(factor, 1);

        private static double Scale(double factor, double m) => factor <= 1 ? 1 : 0.1 * m * Math.Log(factor) + 1;
    }
}
