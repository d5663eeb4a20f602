using System.Numerics;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>The scales, minima and codes of 256 values for Q2_K, Q4_K and Q5_K: the search of every sub-block, then codes for what the block stores of it (spec/formats.md §3.5).</summary>
internal readonly ref struct AffineEncoding
{
    private readonly AffineSearch _search;
    private readonly ReadOnlySpan<float> _values;
    private readonly Span<float> _scales, _minima, _factors, _offsets;

    /// <summary>Searches; <paramref name="room"/> takes four numbers for each of <paramref name="count"/> sub-blocks.</summary>
    public AffineEncoding(AffineSearch search, ReadOnlySpan<float> values, int count, Span<float> room)
    {
        _search = search;
        _values = values;
        _scales = room[..count];
        _minima = room.Slice(count, count);
        _factors = room.Slice(2 * count, count);
        _offsets = room.Slice(3 * count, count);
        int length = values.Length / count;
        Span<Vector<float>> x = stackalloc Vector<float>[length], weights = stackalloc Vector<float>[length], codes = stackalloc Vector<float>[length];
        for (int first = 0; first < count; first += SubBlockLanes.Count)
        {
            SubBlockLanes.Spread(values, first, x);
            AffineSearch.Found found = search.Run(x, weights, codes);
            for (int lane = 0; lane < SubBlockLanes.Count && first + lane < count; lane++)
            {
                _scales[first + lane] = found.Scale[lane];
                _minima[first + lane] = found.Minimum[lane];
                _factors[first + lane] = found.Factor[lane];
                _offsets[first + lane] = found.Offset[lane];
            }
        }
    }

    /// <summary>The largest scale, 0 where none is positive.</summary>
    public float LargestScale => Largest(_scales);

    /// <summary>The largest minimum, 0 where none is positive.</summary>
    public float LargestMinimum => Largest(_minima);

    /// <summary>The scale of a sub-block in units of which the largest has <paramref name="steps"/>.</summary>
    public int Scale(int sub, int steps) => Steps(_scales[sub], LargestScale, steps);

    /// <summary>The minimum of a sub-block in units of which the largest has <paramref name="steps"/>.</summary>
    public int Minimum(int sub, int steps) => Steps(_minima[sub], LargestMinimum, steps);

    /// <summary>The codes of a sub-block for the scale and the minimum that the block stores; where that scale is 0, those of the search.</summary>
    public void Codes(int sub, float scale, float minimum, Span<byte> codes)
    {
        int length = _values.Length / _scales.Length;
        for (int i = sub * length; i < (sub + 1) * length; i += 16)
        {
            ReadOnlySpan<float> x = _values[i..];
            (scale != 0 ? SixteenCodes.Divided(x, minimum, scale, 0, _search.Top) : SixteenCodes.Nearest(x, _offsets[sub], _factors[sub], 0, _search.Top)).CopyTo(codes[i..]);
        }
    }

    /// <summary>Scales, minima and codes of Q4_K and Q5_K: <paramref name="header"/> takes d, e and 12 bytes of 6-bit numbers.</summary>
    public static void EightSubBlocks(AffineSearch search, ReadOnlySpan<float> values, Span<byte> header, Span<byte> codes)
    {
        var encoding = new AffineEncoding(search, values, 8, stackalloc float[32]);
        for (int sub = 0; sub < 8; sub++)
            SixBits.Write(header[4..], sub, Math.Min(63, (int)(byte)encoding.Scale(sub, 63)), Math.Min(63, (int)(byte)encoding.Minimum(sub, 63)));
        SixteenCodes.Half(header, encoding.LargestScale / 63);
        SixteenCodes.Half(header[2..], encoding.LargestMinimum / 63);
        float d = Sixteen.Half(header), e = Sixteen.Half(header[2..]);
        for (int sub = 0; sub < 8; sub++)
        {
            (int scale, int minimum) = SixBits.Read(header[4..], sub);
            encoding.Codes(sub, d * scale, e * minimum, codes);
        }
    }

    private static float Largest(ReadOnlySpan<float> numbers)
    {
        float largest = 0;
        foreach (float number in numbers)
            largest = number > largest ? number : largest;
        return largest;
    }

    private static int Steps(float number, float largest, int steps) => largest > 0 ? SubBlockLanes.Nearest(steps / largest * number) : 0;
}
