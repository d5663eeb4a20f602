using System.Buffers;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Views;

/// <summary>One tensor of a <see cref="ViewedTensors"/>: what it is shown as, and how its bytes are made when they are asked for. Safe for concurrent reads.</summary>
internal abstract class TensorView(TensorInfo info)
{
    /// <summary>What is shown.</summary>
    public TensorInfo Info { get; } = info;

    /// <summary>Fills <paramref name="destination"/> from a byte of the shown tensor on; the range lies within it.</summary>
    public abstract void Read(long byteOffset, Span<byte> destination);

    /// <summary>Whether a value that is shown was rounded on its way from the stored one; reads the tensor where that must be looked for.</summary>
    public virtual bool IsRounded() => false;

    /// <summary>A description, its length computed from type and shape.</summary>
    public static TensorInfo Shown(string name, DType type, params long[] shape) => new(name, type, shape, Length(type, shape));

    private static long Length(DType type, long[] shape) => type.Bytes(shape.Aggregate(1L, (n, d) => checked(n * d)));
}

/// <summary>Stored bytes as they are, from a byte of the stored tensor on: another name, another shape, or a part.</summary>
internal sealed class StoredView(TensorInfo info, ITensorSource source, string stored, long from = 0) : TensorView(info)
{
    public override void Read(long byteOffset, Span<byte> destination) => source.Read(stored, from + byteOffset, destination);
}

/// <summary>Bytes made here.</summary>
internal sealed class MadeView(TensorInfo info, byte[] bytes) : TensorView(info)
{
    public override void Read(long byteOffset, Span<byte> destination) => bytes.AsSpan((int)byteOffset, destination.Length).CopyTo(destination);
}

/// <summary>Several tensors of one length behind each other.</summary>
internal sealed class StackedView(TensorInfo info, TensorView[] parts) : TensorView(info)
{
    public override bool IsRounded() => Array.Exists(parts, p => p.IsRounded());

    public override void Read(long byteOffset, Span<byte> destination)
    {
        long length = parts[0].Info.ByteLength;
        for (int at = 0; at < destination.Length;)
        {
            (long part, long from) = Math.DivRem(byteOffset + at, length);
            int count = (int)Math.Min(length - from, destination.Length - at);
            parts[part].Read(from, destination.Slice(at, count));
            at += count;
        }
    }
}

/// <summary>Any real tensor as fp32: decoded, times a factor, plus a number. Each step rounds once, as fp32 arithmetic does.</summary>
internal sealed class FloatView(TensorInfo info, ITensorSource source, string stored, float factor = 1, float added = 0) : TensorView(info)
{
    private const int PieceElements = 1 << 14;

    // Factors are powers of two, which lose nothing; doubles nearly always lose something.
    public override bool IsRounded()
    {
        if (source.Require(stored).DType == DType.F64)
            return true;
        if (added == 0)
            return false;
        float[] buffer = new float[(int)Math.Min(PieceElements, Info.Count)];
        for (long at = 0; at < Info.Count; at += buffer.Length)
        {
            Span<float> values = buffer.AsSpan(0, (int)Math.Min(buffer.Length, Info.Count - at));
            source.ReadFloats(stored, at, values);
            foreach (float value in values)
                if (float.IsFinite(value) && (double)(value * factor + added) - added != (double)value * factor)
                    return true;
        }
        return false;
    }

    public override void Read(long byteOffset, Span<byte> destination)
    {
        float[] buffer = ArrayPool<float>.Shared.Rent((int)Math.Min(PieceElements, destination.Length / sizeof(float) + 2));
        try
        {
            for (int at = 0; at < destination.Length;)
            {
                (long first, long skip) = Math.DivRem(byteOffset + at, sizeof(float));
                int bytes = (int)Math.Min((long)buffer.Length * sizeof(float) - skip, destination.Length - at);
                Span<float> values = buffer.AsSpan(0, (int)((skip + bytes + sizeof(float) - 1) / sizeof(float)));
                source.ReadFloats(stored, first, values);
                if (factor != 1 || added != 0)
                    foreach (ref float value in values)
                        value = value * factor + added;
                MemoryMarshal.AsBytes(values).Slice((int)skip, bytes).CopyTo(destination[at..]);
                at += bytes;
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(buffer);
        }
    }
}
