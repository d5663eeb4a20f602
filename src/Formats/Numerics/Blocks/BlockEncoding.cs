using System.Numerics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Encoding of values that nobody has looked at yet.</summary>
public static class BlockEncoding
{
    // Far beyond what a half-precision scale reaches in any type, and low enough for the sums of the searches.
    private const float Storable = 1 << 30;

    /// <summary>
    /// Encodes whole blocks. Returns −1, or the index of the first value that is not finite, or too large by itself, or in a block whose scale
    /// is beyond half precision (spec/formats.md §3.4); what was written is then no encoding.
    /// </summary>
    public static int Encode(BlockFormat format, ReadOnlySpan<float> values, Span<byte> blocks)
    {
        BlockEncoder encode = format.Encode ?? throw new ArgumentException($"{format.Name} is not encoded", nameof(format));
        int unfit = FirstBeyond(values, format.DType == DType.NF4 ? float.PositiveInfinity : Storable);
        if (unfit >= 0)
            return unfit;
        encode(values, blocks);
        for (int at = 0; at < blocks.Length; at += format.Bytes)
        {
            if (BlockScales.Fault(format.DType, blocks[at..]) is not null)
                return at / format.Bytes * format.Elements;
        }
        return -1;
    }

    private static int FirstBeyond(ReadOnlySpan<float> values, float limit)
    {
        int i = 0;
        // NaN is not below anything.
        while (i <= values.Length - Vector<float>.Count && Vector.LessThanAll(Vector.Abs(new Vector<float>(values[i..])), new Vector<float>(limit)))
            i += Vector<float>.Count;
        while (i < values.Length && MathF.Abs(values[i]) < limit)
            i++;
        return i < values.Length ? i : -1;
    }
}
