using System.Buffers.Binary;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Where the scales lie in blocks, to tell damaged ones without decoding, and to multiply them (spec/formats.md §2.3, §3.2).</summary>
internal static class BlockScales
{
    private const int HalfExponent = 0x7C00, HalfFraction = 0x03FF;

    /// <summary>What is wrong with a block's scale or minimum: "NaN" or "infinite"; null where they are finite.</summary>
    public static string? Fault(DType type, ReadOnlySpan<byte> block)
    {
        switch (type)
        {
            case DType.MXFP4:
                return block[0] == 0xFF ? "NaN" : null;
            case DType.Q8_K:
                float scale = BinaryPrimitives.ReadSingleLittleEndian(block);
                return float.IsFinite(scale) ? null : float.IsNaN(scale) ? "NaN" : "infinite";
            case DType.IQ1_M:
                // The upper four bits of four numbers together are the half-precision scale.
                int assembled = 0;
                for (int i = 0; i < 4; i++)
                    assembled |= block[49 + 2 * i] >> 4 << (4 * i);
                return Fault(assembled);
        }
        foreach (int at in HalvesOf(type))
            if (Fault(BinaryPrimitives.ReadUInt16LittleEndian(block[at..])) is { } fault)
                return fault;
        return null;
    }

    private static string? Fault(int half) => (half & HalfExponent) != HalfExponent ? null : (half & HalfFraction) != 0 ? "NaN" : "infinite";

    /// <summary>
    /// Byte offsets in a block of the fp16 numbers that all its values are proportional to: times a power of two, they multiply every value by it exactly. Empty for
    /// types that have other scales.
    /// </summary>
    public static ReadOnlySpan<int> HalvesOf(DType type) => type switch
    {
        // The 8-bit scales of NVFP4 are never NaN or infinite; NF4 is not in files.
        DType.NVFP4 or DType.NF4 or DType.MXFP4 or DType.Q8_K or DType.IQ1_M => [],
        DType.Q4_1 or DType.Q5_1 or DType.Q8_1 or DType.Q4_K or DType.Q5_K => [0, 2],
        DType.Q2_K => [80, 82],
        DType.Q3_K => [108],
        DType.Q6_K => [208],
        DType.TQ1_0 => [52],
        DType.TQ2_0 => [64],
        _ => [0],
    };
}
