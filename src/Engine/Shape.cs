using System.Runtime.CompilerServices;
using Marrow.Formats;

namespace Marrow.Engine;

/// <summary>The dimensions of a tensor, slowest first, at most four; a scalar has rank 0 and one element.</summary>
public readonly record struct Shape
{
    private readonly int d0, d1, d2, d3;

    /// <summary>A shape of one to four dimensions.</summary>
    public Shape(params ReadOnlySpan<int> dimensions)
    {
        if (dimensions.Length > 4)
            throw new MarrowException("E101", $"A tensor has at most four dimensions, not {dimensions.Length}.");
        foreach (int d in dimensions)
            ArgumentOutOfRangeException.ThrowIfNegative(d);
        Rank = dimensions.Length;
        d0 = Rank > 0 ? dimensions[0] : 1;
        d1 = Rank > 1 ? dimensions[1] : 1;
        d2 = Rank > 2 ? dimensions[2] : 1;
        d3 = Rank > 3 ? dimensions[3] : 1;
    }

    /// <summary>The number of dimensions.</summary>
    public int Rank { get; }

    /// <summary>The number of elements.</summary>
    public long Count => (long)d0 * d1 * d2 * d3;

    /// <summary>The number of elements, for loops over an activation; throws above 2³¹.</summary>
    public int Elements => checked((int)Count);

    /// <summary>The fastest dimension (1 for a scalar).</summary>
    public int Last => Rank == 0 ? 1 : this[Rank - 1];

    /// <summary>The product of all dimensions but the last: the rows of the tensor seen as a matrix.</summary>
    public int Rows => Last == 0 ? 0 : checked((int)(Count / Last));

    /// <summary>One dimension.</summary>
    public int this[int i] => i switch
    {
        0 when Rank > 0 => d0,
        1 when Rank > 1 => d1,
        2 when Rank > 2 => d2,
        3 when Rank > 3 => d3,
        _ => throw new ArgumentOutOfRangeException(nameof(i), $"dimension {i} of shape {this}"),
    };

    /// <summary>The shape from dimensions stored as 64-bit numbers.</summary>
    public static Shape From(IReadOnlyList<long> dimensions)
    {
        Span<int> d = stackalloc int[Math.Min(dimensions.Count, 8)];
        for (int i = 0; i < d.Length; i++)
            d[i] = checked((int)dimensions[i]);
        return new Shape(d);
    }

    /// <summary>The same number of rows with another last dimension.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Shape WithLast(int last) => Rank <= 1 ? new Shape(last) : new Shape(Rows, last);

    /// <summary>"[2,3]".</summary>
    public override string ToString() => Rank switch
    {
        0 => "[]",
        1 => $"[{d0}]",
        2 => $"[{d0},{d1}]",
        3 => $"[{d0},{d1},{d2}]",
        _ => $"[{d0},{d1},{d2},{d3}]",
    };
}
