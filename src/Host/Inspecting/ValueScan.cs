using System.Buffers;
using System.Numerics.Tensors;
using Marrow.Formats;

namespace Marrow.Host.Inspecting;

/// <summary>Looks for values that are not numbers.</summary>
internal static class ValueScan
{
    private const int Piece = 1 << 16;

    /// <summary>Reads the whole tensor, which is returned.</summary>
    /// <exception cref="ModelFileException">IN002: some value is NaN or infinite.</exception>
    public static TensorInfo Check(ITensorSource source, TensorInfo tensor, CancellationToken stopping)
    {
        float[] values = ArrayPool<float>.Shared.Rent(Piece);
        try
        {
            long bad = 0;
            for (long at = 0; at < tensor.Count; at += Piece)
            {
                stopping.ThrowIfCancellationRequested();
                Span<float> piece = values.AsSpan(0, (int)Math.Min(Piece, tensor.Count - at));
                source.ReadFloats(tensor.Name, at, piece);
                // A sum of magnitudes is finite only where every value is, unless it overflows.
                if (!float.IsFinite(TensorPrimitives.SumOfMagnitudes<float>(piece)))
                    foreach (float value in piece)
                        bad += float.IsFinite(value) ? 0 : 1;
            }
            return bad == 0 ? tensor : throw new ModelFileException("IN002", source.Path,
                $"tensor '{Echo.Name(tensor.Name)}' holds {bad} values that are NaN or infinite; it cannot be trained or run");
        }
        finally
        {
            ArrayPool<float>.Shared.Return(values);
        }
    }
}
