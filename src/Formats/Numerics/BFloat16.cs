using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics;

/// <summary>The upper 16 bits of an IEEE 32-bit float; conversion from fp32 rounds to nearest, ties to even.</summary>
/// <param name="Bits">The stored bits.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>The exact fp32 value.</summary>
    public static explicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    /// <summary>The nearest bf16 value; a NaN stays a (quiet) NaN.</summary>
    public static explicit operator BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? new BFloat16((ushort)((bits >> 16) | 0x40))
            : new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    /// <summary>Widens a run of values. Both spans have the same length.</summary>
    public static void Widen(ReadOnlySpan<BFloat16> from, Span<float> to)
    {
        ReadOnlySpan<ushort> source = MemoryMarshal.Cast<BFloat16, ushort>(from);
        Span<uint> target = MemoryMarshal.Cast<float, uint>(to);
        int i = 0;
        for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            var (low, high) = Vector256.Widen(Vector256.Create(source[i..]));
            (low << 16).CopyTo(target[i..]);
            (high << 16).CopyTo(target[(i + 8)..]);
        }
        for (; i < source.Length; i++)
            target[i] = (uint)source[i] << 16;
    }

    /// <summary>Rounds a run of values. Both spans have the same length.</summary>
    public static void Narrow(ReadOnlySpan<float> from, Span<BFloat16> to)
    {
        for (int i = 0; i < from.Length; i++)
            to[i] = (BFloat16)from[i];
    }
}
