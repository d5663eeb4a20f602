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
        Q4_0.Format,
        Q4_1.Format,
        Q5_0.Format,
        Q5_1.Format,
        Q8_1.Format,
        Q2_K.Format,
        Q3_K.Format,
        Q4_K.Format,
        Q5_K.Format,
        Q6_K.Format,
        Q8_K.Format,
        new(DType.IQ2_XXS, "IQ2_XXS", 16, 256, 66),
        new(DType.IQ2_XS, "IQ2_XS", 17, 256, 74),
        new(DType.IQ3_XXS, "IQ3_XXS", 18, 256, 98),
        new(DType.IQ1_S, "IQ1_S", 19, 256, 50),
        IQ4_NL.Format,
        new(DType.IQ3_S, "IQ3_S", 21, 256, 110),
        new(DType.IQ2_S, "IQ2_S", 22, 256, 82),
        IQ4_XS.Format,
        new(DType.IQ1_M, "IQ1_M", 29, 256, 56),
        TQ1_0.Format,
        TQ2_0.Format,
        MXFP4.Format,
        NVFP4.Format,
        NF4.Format,
    ];

    /// <summary>The layout of a block-quantised type.</summary>
    public static BlockFormat Of(DType type) => ByType[type];
}
