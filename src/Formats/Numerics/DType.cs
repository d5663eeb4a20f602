using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Numerics;

/// <summary>The element types that files hold. Block-quantised types pack several elements into one block.</summary>
public enum DType
{
    /// <summary>32-bit float.</summary>
    F32,
    /// <summary>16-bit IEEE float.</summary>
    F16,
    /// <summary>The upper half of a 32-bit float.</summary>
    BF16,
    /// <summary>64-bit float.</summary>
    F64,
    /// <summary>Signed 64-bit integer.</summary>
    I64,
    /// <summary>Signed 32-bit integer.</summary>
    I32,
    /// <summary>Signed 16-bit integer.</summary>
    I16,
    /// <summary>Signed 8-bit integer.</summary>
    I8,
    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
    /// <summary>Unsigned 32-bit integer.</summary>
    U32,
    /// <summary>Unsigned 16-bit integer.</summary>
    U16,
    /// <summary>Unsigned 8-bit integer.</summary>
    U8,
    /// <summary>One byte per truth value.</summary>
    Bool,
    /// <summary>Pair of 32-bit floats.</summary>
    C64,
    /// <summary>8-bit float, 4 exponent bits, no infinity.</summary>
    F8E4M3,
    /// <summary>8-bit float, 5 exponent bits.</summary>
    F8E5M2,
    /// <summary>8-bit power of two.</summary>
    F8E8M0,
    /// <summary>8-bit float, 4 exponent bits, one zero.</summary>
    F8E4M3Fnuz,
    /// <summary>8-bit float, 5 exponent bits, one zero.</summary>
    F8E5M2Fnuz,
    /// <summary>4-bit float, two in a byte.</summary>
    F4,
    /// <summary>6-bit float, 2 exponent bits.</summary>
    F6E2M3,
    /// <summary>6-bit float, 3 exponent bits.</summary>
    F6E3M2,
    /// <summary>4-bit blocks of 32 with a scale.</summary>
    Q4_0,
    /// <summary>4-bit blocks of 32 with a scale and a minimum.</summary>
    Q4_1,
    /// <summary>5-bit blocks of 32 with a scale.</summary>
    Q5_0,
    /// <summary>5-bit blocks of 32 with a scale and a minimum.</summary>
    Q5_1,
    /// <summary>8-bit blocks of 32 with a scale.</summary>
    Q8_0,
    /// <summary>8-bit blocks of 32 with a scale and a sum.</summary>
    Q8_1,
    /// <summary>2-bit blocks of 256 in 16 parts.</summary>
    Q2_K,
    /// <summary>3-bit blocks of 256 in 16 parts.</summary>
    Q3_K,
    /// <summary>4-bit blocks of 256 in 8 parts.</summary>
    Q4_K,
    /// <summary>5-bit blocks of 256 in 8 parts.</summary>
    Q5_K,
    /// <summary>6-bit blocks of 256 in 16 parts.</summary>
    Q6_K,
    /// <summary>8-bit blocks of 256 with an fp32 scale.</summary>
    Q8_K,
    /// <summary>About 1.6 bits, from a grid.</summary>
    IQ1_S,
    /// <summary>About 1.8 bits, from a grid.</summary>
    IQ1_M,
    /// <summary>About 2.1 bits, from a grid.</summary>
    IQ2_XXS,
    /// <summary>About 2.3 bits, from a grid.</summary>
    IQ2_XS,
    /// <summary>About 2.6 bits, from a grid.</summary>
    IQ2_S,
    /// <summary>About 3.1 bits, from a grid.</summary>
    IQ3_XXS,
    /// <summary>About 3.4 bits, from a grid.</summary>
    IQ3_S,
    /// <summary>4-bit blocks of 32 with uneven levels.</summary>
    IQ4_NL,
    /// <summary>4-bit blocks of 256 with uneven levels.</summary>
    IQ4_XS,
    /// <summary>Ternary blocks of 256, five in a byte.</summary>
    TQ1_0,
    /// <summary>Ternary blocks of 256, four in a byte.</summary>
    TQ2_0,
    /// <summary>4-bit floats in blocks of 32 with a power of two.</summary>
    MXFP4,
    /// <summary>4-bit floats in blocks of 64 with four 8-bit scales.</summary>
    NVFP4,
    /// <summary>4-bit normal-float blocks of 64 with an fp32 scale, in memory only: bitsandbytes keeps codes and scales apart in files.</summary>
    NF4,
}

/// <summary>Facts about a <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bits that one element takes; only of types that are not blocks.</summary>
    public static int Bits(this DType type) => type switch
    {
        DType.F64 or DType.I64 or DType.U64 or DType.C64 => 64,
        DType.F32 or DType.I32 or DType.U32 => 32,
        DType.F16 or DType.BF16 or DType.I16 or DType.U16 => 16,
        DType.F6E2M3 or DType.F6E3M2 => 6,
        DType.F4 => 4,
        _ => type.IsBlock() ? throw new ArgumentOutOfRangeException(nameof(type), $"{type} is stored in blocks") : 8,
    };

    /// <summary>Whole bytes of <paramref name="count"/> elements; a block-quantised row must hold whole blocks. Throws on overflow.</summary>
    public static long Bytes(this DType type, long count)
    {
        if (!type.IsBlock())
            return checked((count * type.Bits() + 7) / 8);
        BlockFormat format = BlockFormats.Of(type);
        return count % format.Elements == 0 ? checked(count / format.Elements * format.Bytes)
            : throw new ArgumentOutOfRangeException(nameof(count), $"{count} elements are not whole blocks of {type} ({format.Elements} elements)");
    }

    /// <summary>True for the plain types whose values convert to fp32 here (F64, F32, F16, BF16).</summary>
    public static bool IsFloat(this DType type) => type is DType.F32 or DType.F16 or DType.BF16 or DType.F64;

    /// <summary>Whether elements lie in blocks with shared scales.</summary>
    public static bool IsBlock(this DType type) => type >= DType.Q4_0;

    /// <summary>Whether values can be read as fp32: plain floats, and blocks that are decoded here.</summary>
    public static bool IsReal(this DType type) => type.IsFloat() || (type.IsBlock() && BlockFormats.Of(type).Decode is not null);
}
