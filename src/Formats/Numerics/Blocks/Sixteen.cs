using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>The steps that decoders share: sixteen codes at a time become sixteen values, with a multiplication and a subtraction that are each rounded, as the reference rounds them.</summary>
internal static class Sixteen
{
    /// <summary>The little-endian fp16 number at the start of <paramref name="at"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(ReadOnlySpan<byte> at)
    {
        int bits = BinaryPrimitives.ReadInt16LittleEndian(at), exponent = bits >> 10 & 31;
        if (exponent == 31)
            return (float)BitConverter.Int16BitsToHalf((short)bits);
        // An integer times a power of two, without branches: subnormal scales are usual.
        int normal = (exponent + 31) >> 5, whole = (bits & 0x3FF) + (normal << 10);
        return whole * BitConverter.Int32BitsToSingle((bits & 0x8000) << 16 | (exponent - normal + 103) << 23);
    }

    /// <summary>The sixteen bytes at the start of <paramref name="at"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(ReadOnlySpan<byte> at) => Vector128.Create(at);

    /// <summary>The low four bits of every byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Low(Vector128<byte> bytes) => bytes & Vector128.Create((byte)15);

    /// <summary>The high four bits of every byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> High(Vector128<byte> bytes) => bytes >>> 4;

    /// <summary><paramref name="weight"/> in every byte whose bit in <paramref name="bits"/> is set, the lowest first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Bits(uint bits, byte weight)
    {
        const ulong everyByte = 0x0101010101010101, everyBit = 0x8040201008040201;
        Vector128<byte> mask = Vector128.Create(everyBit).AsByte();
        Vector128<byte> spread = Vector128.Create((bits & 0xFF) * everyByte, ((bits >> 8) & 0xFF) * everyByte).AsByte();
        return Vector128.Equals(spread & mask, mask) & Vector128.Create(weight);
    }

    /// <summary>values = q·d.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scaled(Vector128<sbyte> q, float d, Span<float> values)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            (Floats512(q) * Vector512.Create(d)).CopyTo(values);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            (Vector256<float> low, Vector256<float> high) = Floats256(q);
            Vector256<float> scale = Vector256.Create(d);
            (low * scale).CopyTo(values);
            (high * scale).CopyTo(values[8..]);
        }
        else
        {
            (Vector128<short> low, Vector128<short> high) = Vector128.Widen(q);
            Vector128<float> scale = Vector128.Create(d);
            (Vector128.ConvertToSingle(Vector128.WidenLower(low)) * scale).CopyTo(values);
            (Vector128.ConvertToSingle(Vector128.WidenUpper(low)) * scale).CopyTo(values[4..]);
            (Vector128.ConvertToSingle(Vector128.WidenLower(high)) * scale).CopyTo(values[8..]);
            (Vector128.ConvertToSingle(Vector128.WidenUpper(high)) * scale).CopyTo(values[12..]);
        }
    }

    /// <summary>values = q·d − m.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Affine(Vector128<byte> codes, float d, float m, Span<float> values)
    {
        Vector128<sbyte> q = codes.AsSByte();
        if (Vector512.IsHardwareAccelerated)
        {
            (Floats512(q) * Vector512.Create(d) - Vector512.Create(m)).CopyTo(values);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            (Vector256<float> low, Vector256<float> high) = Floats256(q);
            Vector256<float> scale = Vector256.Create(d), minimum = Vector256.Create(m);
            (low * scale - minimum).CopyTo(values);
            (high * scale - minimum).CopyTo(values[8..]);
        }
        else
        {
            (Vector128<short> low, Vector128<short> high) = Vector128.Widen(q);
            Vector128<float> scale = Vector128.Create(d), minimum = Vector128.Create(m);
            (Vector128.ConvertToSingle(Vector128.WidenLower(low)) * scale - minimum).CopyTo(values);
            (Vector128.ConvertToSingle(Vector128.WidenUpper(low)) * scale - minimum).CopyTo(values[4..]);
            (Vector128.ConvertToSingle(Vector128.WidenLower(high)) * scale - minimum).CopyTo(values[8..]);
            (Vector128.ConvertToSingle(Vector128.WidenUpper(high)) * scale - minimum).CopyTo(values[12..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Floats512(Vector128<sbyte> q) =>
        Vector512.ConvertToSingle(Vector512.WidenLower(Vector256.WidenLower(q.ToVector256Unsafe()).ToVector512Unsafe()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Low, Vector256<float> High) Floats256(Vector128<sbyte> q)
    {
        Vector256<short> wide = Vector256.WidenLower(q.ToVector256Unsafe());
        return (Vector256.ConvertToSingle(Vector256.WidenLower(wide)), Vector256.ConvertToSingle(Vector256.WidenUpper(wide)));
    }
}
