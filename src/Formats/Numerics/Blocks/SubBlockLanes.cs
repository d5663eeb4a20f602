using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>
/// Sub-blocks side by side: lane j of vector e is element e of sub-block j. Every lane adds up its own sub-block in the order of the
/// reference, so that searches for scales run on whole vectors and still give the reference's bits.
/// </summary>
internal static class SubBlockLanes
{
    /// <summary>Sub-blocks that are searched at once.</summary>
    public static int Count => Vector<float>.Count;

    /// <summary>Lays out sub-blocks from number <paramref name="first"/> of a block of values; lanes beyond the last repeat it.</summary>
    public static void Spread(ReadOnlySpan<float> values, int first, Span<Vector<float>> x)
    {
        Span<float> into = MemoryMarshal.Cast<Vector<float>, float>(x);
        int length = x.Length, last = values.Length / length - 1;
        for (int lane = 0; lane < Count; lane++)
        {
            ReadOnlySpan<float> from = values.Slice(Math.Min(first + lane, last) * length, length);
            for (int e = 0; e < from.Length; e++)
                into[e * Count + lane] = from[e];
        }
    }

    /// <summary>Reads one lane of whole numbers, adding <paramref name="bias"/>.</summary>
    public static void Gather(ReadOnlySpan<Vector<float>> x, int lane, int bias, Span<byte> into)
    {
        for (int e = 0; e < x.Length; e++)
            into[e] = (byte)(int)(x[e][lane] + bias);
    }

    /// <summary>A limit of <see cref="Nearest(Vector{float}, Vector{int}, Vector{int})"/>.</summary>
    public static Vector<int> Limit(int number) => new(0x400000 + number);

    /// <summary>
    /// The nearest whole number within limits, halves to even. The trick of adding 1.5·2²³ is the reference's, and what it gives for
    /// numbers beyond 2²² counts too.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Nearest(Vector<float> value, Vector<int> low, Vector<int> high)
    {
        Vector<int> bits = Vector.AsVectorInt32(value + new Vector<float>(12582912f)) & new Vector<int>(0x7FFFFF);
        bits = Vector.Min(Vector.Max(bits, low), high);
        return Vector.AsVectorSingle(bits | new Vector<int>(0x4B000000)) - new Vector<float>(12582912f);
    }

    /// <summary>The same for one number, without limits.</summary>
    public static int Nearest(float value) => (BitConverter.SingleToInt32Bits(value + 12582912f) & 0x7FFFFF) - 0x400000;

    /// <summary>The element of the largest magnitude in every lane, the first of several; +0 where all are zero.</summary>
    public static Vector<float> Largest(ReadOnlySpan<Vector<float>> x)
    {
        Vector<float> largest = Vector<float>.Zero, magnitude = Vector<float>.Zero;
        foreach (Vector<float> v in x)
        {
            Vector<float> size = Vector.Abs(v);
            Vector<int> more = Vector.GreaterThan(size, magnitude);
            magnitude = Vector.ConditionalSelect(more, size, magnitude);
            largest = Vector.ConditionalSelect(more, v, largest);
        }
        return largest;
    }
}
