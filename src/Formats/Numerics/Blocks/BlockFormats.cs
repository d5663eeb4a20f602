namespace Marrow.Formats.Numerics.Blocks;

/// <summary>The block-quantised types there are. A new one adds its line here and a file of its own.</summary>
public static class BlockFormats
{
    private static readonly Dictionary<DType, BlockFormat> ByType;

    static BlockFormats() => ByType = All.ToDictionary(f => f.DType);

    /// <summary>Every type.</summary>
    public static IReadOnlyList<BlockFormat> All { get; } =
    [
        Q8_0.Format,
        new(DType.Q4_0, "Q4_0", 2, 32, 18),
        new(DType.Q4_1, "Q4_1", 3, 32, 20),
        new(DType.Q5_0, "Q5_0", 6, 32, 22),
        new(DType.Q5_1, "Q5_1", 7, 32, 24),
        new(DType.Q8_1, "Q8_1", 9, 32, 36),
        new(DType.Q2_K, "Q2_K", 10, 256, 84),
        new(DType.Q3_K, "Q3_K", 11, 256, 110),
        new(DType.Q4_K, "Q4_K", 12, 256, 144),
        new(DType.Q5_K, "Q5_K", 13, 256, 176),
        new(DType.Q6_K, "Q6_K", 14, 256, 210),
        new(DType.Q8_K, "Q8_K", 15, 256, 292),
        new(DType.IQ2_XXS, "IQ2_XXS", 16, 256, 66),
        new(DType.IQ2_XS, "IQ2_XS", 17, 256, 74),
        new(DType.IQ3_XXS, "IQ3_XXS", 18, 256, 98),
        new(DType.IQ1_S, "IQ1_S", 19, 256, 50),
        new(DType.IQ4_NL, "IQ4_NL", 20, 32, 18),
        new(DType.IQ3_S, "IQ3_S", 21, 256, 110),
        new(DType.IQ2_S, "IQ2_S", 22, 256, 82),
        new(DType.IQ4_XS, "IQ4_XS", 23, 256, 136),
        new(DType.IQ1_M, "IQ1_M", 29, 256, 56),
        new(DType.TQ1_0, "TQ1_0", 34, 256, 54),
        new(DType.TQ2_0, "TQ2_0", 35, 256, 66),
        new(DType.MXFP4, "MXFP4", 39, 32, 17),
        new(DType.NVFP4, "NVFP4", 40, 64, 36),
        new(DType.NF4, "NF4", -1, 64, 36),
    ];

    /// <summary>The layout of a block-quantised type.</summary>
    public static BlockFormat Of(DType type) => ByType[type];
}
