using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>How the K types pack 256 codes of a byte each into planes of 4, 2 and 1 bits (spec/formats.md §3.2).</summary>
internal static class PackedCodes
{
    /// <summary>128 bytes: the low four bits of a code, and above them those of the code <paramref name="distance"/> further.</summary>
    public static void Nibbles(ReadOnlySpan<byte> codes, int distance, Span<byte> into)
    {
        for (int at = 0; at < 128; at += 16)
        {
            ReadOnlySpan<byte> from = codes[(at / distance * distance + at)..];
            (Sixteen.Low(Sixteen.Load(from)) | Sixteen.Load(from[distance..]) << 4).CopyTo(into[at..]);
        }
    }

    /// <summary>64 bytes: of every code the two bits from <paramref name="shift"/> on; four codes 32 apart share a byte.</summary>
    public static void Pairs(ReadOnlySpan<byte> codes, int shift, Span<byte> into)
    {
        Vector128<byte> pair = Vector128.Create((byte)3);
        for (int at = 0; at < 64; at += 16)
        {
            ReadOnlySpan<byte> from = codes[(at / 32 * 96 + at)..];
            Vector128<byte> a = Sixteen.Load(from) >>> shift & pair, b = Sixteen.Load(from[32..]) >>> shift & pair;
            Vector128<byte> c = Sixteen.Load(from[64..]) >>> shift & pair, d = Sixteen.Load(from[96..]) >>> shift & pair;
            (a | b << 2 | c << 4 | d << 6).CopyTo(into[at..]);
        }
    }

    /// <summary>32 bytes: of every code the bit <paramref name="weight"/>; eight codes 32 apart share a byte.</summary>
    public static void Bits(ReadOnlySpan<byte> codes, byte weight, Span<byte> into)
    {
        Vector128<byte> bit = Vector128.Create(weight);
        for (int at = 0; at < 32; at += 16)
        {
            Vector128<byte> sum = Vector128<byte>.Zero;
            for (int sub = 0; sub < 8; sub++)
                sum |= Vector128.Equals(Sixteen.Load(codes[(32 * sub + at)..]) & bit, bit) & Vector128.Create((byte)(1 << sub));
            sum.CopyTo(into[at..]);
        }
    }
}
