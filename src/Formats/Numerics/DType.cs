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
}

/// <summary>Facts about a <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bits that one element takes.</summary>
    public static int Bits(this DType type) => type switch
    {
        DType.F64 or DType.I64 or DType.U64 or DType.C64 => 64,
        DType.F32 or DType.I32 or DType.U32 => 32,
        DType.F16 or DType.BF16 or DType.I16 or DType.U16 => 16,
        DType.F6E2M3 or DType.F6E3M2 => 6,
        DType.F4 => 4,
        _ => 8,
    };

    /// <summary>Whole bytes of <paramref name="count"/> elements; throws on overflow.</summary>
    public static long Bytes(this DType type, long count) => checked((count * type.Bits() + 7) / 8);

    /// <summary>True for the types whose values convert to fp32 here (F64, F32, F16, BF16).</summary>
    public static bool IsFloat(this DType type) => type is DType.F32 or DType.F16 or DType.BF16 or DType.F64;
}
