using System.Buffers;
using System.Globalization;
using System.Numerics.Tensors;
using Marrow.Formats;

namespace Marrow.Host.Inspecting;

/// <summary>What the values of a tensor are like; those that are NaN or infinite are counted and left out of everything else.</summary>
/// <param name="Count">Finite values.</param>
/// <param name="NotFinite">Values that are NaN or infinite.</param>
/// <param name="Zeros">Values that are 0.</param>
/// <param name="Least">The smallest value.</param>
/// <param name="Largest">The largest value.</param>
/// <param name="Sum">The sum of the values.</param>
/// <param name="Squares">The sum of their squares.</param>
internal sealed record TensorStatistics(long Count, long NotFinite, long Zeros, double Least, double Largest, double Sum, double Squares)
{
    private const int Piece = 1 << 14;

    /// <summary>The mean.</summary>
    public double Mean => Count == 0 ? 0 : Sum / Count;

    /// <summary>The standard deviation.</summary>
    public double Deviation => Count == 0 ? 0 : Math.Sqrt(Math.Max(0, Squares / Count - Mean * Mean));

    private static TensorStatistics None { get; } = new(0, 0, 0, double.PositiveInfinity, double.NegativeInfinity, 0, 0);

    /// <summary>Reads a whole tensor.</summary>
    /// <exception cref="ModelFileException">The file cannot be read.</exception>
    public static TensorStatistics Of(ITensorSource source, TensorInfo tensor, CancellationToken stopping)
    {
        float[] values = ArrayPool<float>.Shared.Rent(Piece);
        try
        {
            TensorStatistics found = None;
            for (long at = 0; at < tensor.Count; at += Piece)
            {
                stopping.ThrowIfCancellationRequested();
                Span<float> piece = values.AsSpan(0, (int)Math.Min(Piece, tensor.Count - at));
                source.ReadFloats(tensor.Name, at, piece);
                found = found.With(Of(piece));
            }
            return found;
        }
        finally
        {
            ArrayPool<float>.Shared.Return(values);
        }
    }

    /// <summary>Those of both together.</summary>
    public TensorStatistics With(TensorStatistics other) => new(Count + other.Count, NotFinite + other.NotFinite, Zeros + other.Zeros, Math.Min(Least, other.Least),
        Math.Max(Largest, other.Largest), Sum + other.Sum, Squares + other.Squares);

    /// <summary>In a line, for people.</summary>
    public override string ToString() => Count == 0 ? "no values" : string.Create(CultureInfo.InvariantCulture,
        $"{Least:g4} … {Largest:g4}, mean {Mean:g3} ± {Deviation:g3}{(Zeros > 0 ? $", {(double)Zeros / Count:p1} zeros" : "")}{(NotFinite > 0 ? $", {NotFinite} not finite" : "")}");

    private static TensorStatistics Of(Span<float> values)
    {
        // A sum of magnitudes is finite only where every value is, unless it overflows.
        int bad = 0, zeros = 0;
        if (!float.IsFinite(TensorPrimitives.SumOfMagnitudes<float>(values)))
        {
            int kept = 0;
            foreach (float value in values)
            {
                if (float.IsFinite(value))
                    values[kept++] = value;
            }
            bad = values.Length - kept;
            values = values[..kept];
        }
        if (values.IsEmpty)
            return None with { NotFinite = bad };
        double sum = 0, squares = 0;
        foreach (float value in values)
        {
            zeros += value == 0 ? 1 : 0;
            sum += value;
            squares += (double)value * value;
        }
        return new(values.Length, bad, zeros, TensorPrimitives.Min<float>(values), TensorPrimitives.Max<float>(values), sum, squares);
    }
}
