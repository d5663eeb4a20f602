using Marrow.Formats.Numerics;

namespace Marrow.Formats.Datasets;

/// <summary>
/// The order of the examples in every epoch: a function of count, seed and epoch alone, and the same on every machine and in every
/// version. Immutable.
/// </summary>
public sealed class DataOrder
{
    private readonly long _seed;
    private readonly bool _shuffle;

    /// <summary>An order of <paramref name="count"/> examples (at least 1); without <paramref name="shuffle"/> it is that of the file.</summary>
    public DataOrder(int count, long seed, bool shuffle)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        (Count, _seed, _shuffle) = (count, seed, shuffle);
    }

    /// <summary>The number of examples.</summary>
    public int Count { get; }

    /// <summary>Writes the order of <paramref name="epoch"/> (from 0): every index below <see cref="Count"/> once.</summary>
    public void Fill(int epoch, Span<int> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfNotEqual(destination.Length, Count);
        for (int i = 0; i < destination.Length; i++)
            destination[i] = i;
        if (!_shuffle)
            return;
        ulong key = new SplitMix64(unchecked((ulong)_seed)).Next();
        var random = new SplitMix64(key ^ unchecked((ulong)epoch * 0xD1B54A32D192ED03));
        for (int i = destination.Length - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (destination[i], destination[j]) = (destination[j], destination[i]);
        }
    }
}
