using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>The steps that encoders share: sixteen values at a time become sixteen codes. Nothing is fused, so that bytes are the reference's (spec/formats.md §3.4).</summary>
internal static class SixteenCodes
{
    /// <summary>1/d; 0 where that is beyond fp32, so that values too small for a scale become zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Inverse(float d)
    {
        float inverse = 1 / d;
        return float.IsFinite(inverse) ? inverse : 0;
    }

    /// <summary>Writes <paramref name="value"/> as little-endian fp16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Half(Span<byte> at, float value) => BinaryPrimitives.WriteHalfLittleEndian(at, (Half)value);

    /// <summary>The element of the largest magnitude among 32, the first of several; +0 where all are zero.</summary>
    public static float Largest32(ReadOnlySpan<float> x)
    {
        Vector512<float> a = Vector512.Create(x), b = Vector512.Create(x[16..]);
        Vector512<float> magnitudes = Vector512.MaxNative(Vector512.Abs(a), Vector512.Abs(b));
        float largest = Highest(magnitudes);
        return largest > 0 ? x[First(Vector512.Abs(a), Vector512.Abs(b), largest)] : 0;
    }

    /// <summary>The smallest and the largest of 32 elements; of zeros of both signs the first.</summary>
    public static (float Min, float Max) Range32(ReadOnlySpan<float> x)
    {
        Vector512<float> a = Vector512.Create(x), b = Vector512.Create(x[16..]);
        float min = -Highest(-Vector512.MinNative(a, b)), max = Highest(Vector512.MaxNative(a, b));
        if (min == 0)
            min = x[First(a, b, 0)];
        return (min, max == min ? min : max);
    }

    /// <summary>trunc((x − offset)·inverse + bias); the bias away from zero where <paramref name="away"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Truncated(ReadOnlySpan<float> x, float offset, float inverse, float bias, bool away = false)
    {
        Vector512<float> scaled = (Vector512.Create(x) - Vector512.Create(offset)) * Vector512.Create(inverse);
        Vector512<float> half = Vector512.Create(bias);
        return Bytes(Vector512.ConvertToInt32Native(scaled + (away ? Vector512.CopySign(half, scaled) : half)));
    }

    /// <summary>Packs 32 codes below 32 as low nibbles and, apart, their fifth bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FiveBits(Vector128<byte> low, Vector128<byte> high, Span<byte> into)
    {
        uint fifth = Vector128.ExtractMostSignificantBits(low << 3) | Vector128.ExtractMostSignificantBits(high << 3) << 16;
        BinaryPrimitives.WriteUInt32LittleEndian(into, fifth);
        ((low & Vector128.Create((byte)15)) | high << 4).CopyTo(into[4..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Bytes(Vector512<int> codes)
    {
        Vector256<short> narrow = Vector256.Narrow(codes.GetLower(), codes.GetUpper());
        return Vector128.Narrow(narrow.GetLower(), narrow.GetUpper()).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int First(Vector512<float> a, Vector512<float> b, float value)
    {
        Vector512<float> sought = Vector512.Create(value);
        ulong found = Vector512.ExtractMostSignificantBits(Vector512.Equals(a, sought)) | Vector512.ExtractMostSignificantBits(Vector512.Equals(b, sought)) << 16;
        return BitOperations.TrailingZeroCount(found);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Highest(Vector512<float> x)
    {
        Vector256<float> eight = Vector256.MaxNative(x.GetLower(), x.GetUpper());
        Vector128<float> four = Vector128.MaxNative(eight.GetLower(), eight.GetUpper());
        four = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
