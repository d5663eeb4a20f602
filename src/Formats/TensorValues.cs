using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats;

/// <summary>Looks through the values of tensors for what no sound model has.</summary>
public static class TensorValues
{
    private const int PieceBytes = 1 << 20;

    /// <summary>
    /// The first NaN or infinity of a tensor: a value of F32, F16, BF16 or F64, or a block's scale or minimum. Null where all are finite, and
    /// for other types. Reads the whole tensor in pieces of 1 MiB.
    /// </summary>
    /// <returns>GG024, naming the tensor and the block or element.</returns>
    /// <exception cref="ModelFileException">TS001 no such tensor; IO003, IO005 it cannot be read.</exception>
    public static ModelFileException? FirstFault(this ITensorSource source, string name, CancellationToken cancellation = default)
    {
        TensorInfo info = source.Require(name);
        if (!info.DType.IsFloat() && !info.DType.IsBlock())
            return null;
        int size = info.DType.IsBlock() ? BlockFormats.Of(info.DType).Bytes : info.DType.Bits() / 8;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(info.ByteLength, PieceBytes / size * size));
        try
        {
            for (long at = 0; at < info.ByteLength;)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(info.ByteLength - at, PieceBytes / size * size));
                source.Read(name, at, piece);
                if ((info.DType.IsBlock() ? FaultOfBlocks(info.DType, size, piece) : FaultOfValues(info.DType, piece)) is var (index, fault))
                    return new ModelFileException("GG024", source.Path, $"tensor '{Echo.Name(name)}' {info.ShapeText} {info.DType}: "
                        + $"{(info.DType.IsBlock() ? "block" : "element")} {at / size + index} {(info.DType.IsBlock() ? $"has a scale that is {fault}" : $"is {fault}")}; the file is damaged, or its training failed");
                at += piece.Length;
            }
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static (int Index, string Fault)? FaultOfBlocks(DType type, int size, ReadOnlySpan<byte> blocks)
    {
        for (int at = 0; at < blocks.Length; at += size)
            if (BlockScales.Fault(type, blocks.Slice(at, size)) is { } fault)
                return (at / size, fault);
        return null;
    }

    private static (int Index, string Fault)? FaultOfValues(DType type, ReadOnlySpan<byte> bytes)
    {
        switch (type)
        {
            case DType.F32:
                return FaultOf(MemoryMarshal.Cast<byte, float>(bytes));
            case DType.F64:
                return FaultOf(MemoryMarshal.Cast<byte, double>(bytes));
            case DType.F16:
                return FaultOf(MemoryMarshal.Cast<byte, Half>(bytes));
        }
        ReadOnlySpan<ushort> upper = MemoryMarshal.Cast<byte, ushort>(bytes);
        for (int i = 0; i < upper.Length; i++)
            if ((upper[i] & 0x7F80) == 0x7F80)
                return (i, (upper[i] & 0x007F) != 0 ? "NaN" : "infinite");
        return null;
    }

    private static (int Index, string Fault)? FaultOf<T>(ReadOnlySpan<T> values) where T : System.Numerics.IFloatingPoint<T>
    {
        if (TensorPrimitives.IsFiniteAll(values))
            return null;
        for (int i = 0; i < values.Length; i++)
            if (!T.IsFinite(values[i]))
                return (i, T.IsNaN(values[i]) ? "NaN" : "infinite");
        return null;
    }
}
