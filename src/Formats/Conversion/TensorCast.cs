using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Conversion;

/// <summary>
/// One tensor on its way from its stored type to another, or as it is: <see cref="Written"/> streams it through <see cref="TensorPieces"/>, converting
/// on all threads. The result is the same whatever their number.
/// </summary>
/// <param name="pieces">The buffers, shared by all tensors of a file.</param>
/// <param name="original">The tensor as it is stored.</param>
/// <param name="type">The type that it gets; it and the stored one must be <see cref="DTypes.IsReal"/> where they differ.</param>
/// <param name="origin">Where it comes from, for messages.</param>
internal sealed class TensorCast(TensorPieces pieces, TensorToWrite original, DType type, string origin)
{
    private readonly Lock _sums = new();
    private double _error, _norm;
    private long _overflows;
    private bool _same;

    /// <summary>The tensor as it is stored.</summary>
    public TensorToWrite From => original;

    /// <summary>The tensor in its new type.</summary>
    public TensorToWrite Written => original with { DType = type, Write = Write };

    /// <summary>Told the bytes of each piece after it was written, one piece at a time.</summary>
    public Action<long>? Progress { get; init; }

    /// <summary>Whether no value changed; known once written.</summary>
    public bool Exact => type == original.DType || IsWider || _same;

    // As fp32, because the order of the sums hangs on the threads.
    /// <summary>The root of the mean square error over that of the values; null where nothing was lost, or there is no such number. Known once written.</summary>
    public double? RelativeError => Exact || _norm <= 0 || !double.IsFinite(_error / _norm) ? null : (float)Math.Sqrt(_error / _norm);

    private bool IsWider => type is DType.F32 or DType.F64 && original.DType != DType.F64;

    private void Write(Stream target)
    {
        if (type == original.DType)
        {
            // Both ends are the page cache: other threads and larger pieces would only spoil the processor's.
            using var counted = new CountedStream(target, Progress);
            original.Write(counted);
            return;
        }
        (_error, _norm, _overflows, _same) = (0, 0, 0, true);
        using (var stream = new CastStream(pieces, original.DType, type, target, Convert, Progress))
        {
            original.Write(stream);
            stream.Complete();
        }
        if (_overflows > 0)
            throw new ModelFileException("CV005", origin, type == DType.F16
                ? $"tensor '{Echo.Name(original.Name)}' has {_overflows} values beyond ±65504, which F16 cannot hold; store it as BF16 or F32"
                : $"tensor '{Echo.Name(original.Name)}' has {_overflows} values beyond the range of {type}; {(type == DType.BF16 && original.DType != DType.F64 ? "store it as F32" : "the model is damaged")}");
    }

    /// <summary>Converts a piece that begins at element <paramref name="first"/>.</summary>
    private void Convert(TensorPieces.Lane lane, long first, int count, ReadOnlySpan<byte> stored, Span<byte> made)
    {
        double error = 0, norm = 0;
        long overflows = 0;
        bool same = true;
        for (int at = 0; at < count; at += TensorPieces.Chunk)
        {
            Span<float> values = lane.Values.AsSpan(0, Math.Min(TensorPieces.Chunk, count - at)), again = lane.Again.AsSpan(0, values.Length);
            StoredElements.ToFloats(original.DType, Part(original.DType, stored, at, values.Length), values);
            Span<byte> target = Part(type, made, at, values.Length);
            if (type.IsBlock())
                Quantise(values, target, first + at);
            else
                StoredElements.FromFloats(type, values, target);
            if (IsWider)
                continue;
            StoredElements.ToFloats(type, target, again);
            if (original.DType == DType.F64)
            {
                // fp32 values are rounded already.
                Compare(MemoryMarshal.Cast<byte, double>(Part(original.DType, stored, at, values.Length)), again, ref same, ref norm, ref error, ref overflows);
                continue;
            }
            if (!type.IsBlock())
                overflows += Overflows(values, again);
            same &= values.SequenceEqual(again);
            norm += TensorPrimitives.SumOfSquares<float>(values);
            TensorPrimitives.Subtract(values, again, again);
            error += TensorPrimitives.SumOfSquares<float>(again);
        }
        lock (_sums)
        {
            _error += error;
            _norm += norm;
            _overflows += overflows;
            _same &= same;
        }
    }

    private void Quantise(ReadOnlySpan<float> values, Span<byte> blocks, long first)
    {
        int unfit = BlockEncoding.Encode(BlockFormats.Of(type), values, blocks);
        if (unfit < 0)
            return;
        string where = $"tensor '{Echo.Name(original.Name)}' [{string.Join(',', original.Shape)}] holds";
        throw new ModelFileException("CV004", origin, float.IsFinite(values[unfit])
            ? $"{where} values from element {first + unfit} on that are too large for {type}; store this file as BF16 or F32"
            : $"{where} {values[unfit].ToString(CultureInfo.InvariantCulture)} at element {first + unfit}, which {type} cannot hold; the model is damaged (or store this file as F32, F16 or BF16, which keep such values)");
    }

    private static void Compare(ReadOnlySpan<double> values, ReadOnlySpan<float> again, ref bool same, ref double norm, ref double error, ref long overflows)
    {
        for (int i = 0; i < values.Length; i++)
        {
            double difference = values[i] - again[i];
            same &= values[i].Equals(again[i]);
            norm += values[i] * values[i];
            error += difference * difference;
            if (double.IsFinite(values[i]) && !float.IsFinite(again[i]))
                overflows++;
        }
    }

    private static long Overflows(ReadOnlySpan<float> values, ReadOnlySpan<float> again)
    {
        if (TensorPrimitives.IsFiniteAll(again))
            return 0;
        long count = 0;
        for (int i = 0; i < values.Length; i++)
            if (float.IsFinite(values[i]) && !float.IsFinite(again[i]))
                count++;
        return count;
    }

    /// <summary>Passes bytes on and tells of them.</summary>
    private sealed class CountedStream(Stream target, Action<long>? progress) : SinkStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            target.Write(buffer);
            Position += buffer.Length;
            progress?.Invoke(buffer.Length);
        }
    }

    private static ReadOnlySpan<byte> Part(DType type, ReadOnlySpan<byte> piece, int first, int count) => piece.Slice((int)type.Bytes(first), (int)type.Bytes(count));

    private static Span<byte> Part(DType type, Span<byte> piece, int first, int count) => piece.Slice((int)type.Bytes(first), (int)type.Bytes(count));
}
