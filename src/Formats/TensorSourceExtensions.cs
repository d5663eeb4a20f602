using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats;

/// <summary>Typed reads from any <see cref="ITensorSource"/>, converted piece by piece so that memory stays bounded.</summary>
public static class TensorSourceExtensions
{
    private const int PieceBytes = 1 << 16;

    /// <summary>The tensor's description.</summary>
    /// <exception cref="ModelFileException">TS001 no such tensor; the message lists near names.</exception>
    public static TensorInfo Require(this ITensorSource source, string name) =>
        source.Tensors.TryGetValue(name, out TensorInfo? info) ? info : throw new ModelFileException("TS001", source.Path,
            $"has no tensor '{Echo.Name(name)}' among its {source.Tensors.Count}{NearNames.Hint(name, source.Tensors.Keys)}");

    /// <summary>The tensor's description, which must have exactly this shape (slowest dimension first).</summary>
    /// <exception cref="ModelFileException">TS001 no such tensor; TS002 another shape (the message names both).</exception>
    public static TensorInfo Require(this ITensorSource source, string name, params ReadOnlySpan<long> shape)
    {
        TensorInfo info = source.Require(name);
        bool same = info.Shape.Count == shape.Length;
        for (int i = 0; same && i < shape.Length; i++)
            same = info.Shape[i] == shape[i];
        return same ? info : throw new ModelFileException("TS002", source.Path,
            $"tensor '{Echo.Name(name)}' has shape {info.ShapeText}, but [{string.Join(',', shape.ToArray())}] is needed; the file belongs to another model or configuration");
    }

    /// <summary>Reads elements from <paramref name="firstElement"/> on as fp32; stored F32, F16, BF16 (exact), F64 (rounded), or in blocks that are decoded here.</summary>
    /// <exception cref="ModelFileException">TS001 no such tensor; TS003 not a float type; TS004 outside the tensor.</exception>
    public static void ReadFloats(this ITensorSource source, string name, long firstElement, Span<float> destination)
    {
        TensorInfo info = source.RequireRange(name, firstElement, destination.Length);
        if (info.DType.IsBlock())
        {
            ReadBlocks(source, info, firstElement, destination);
            return;
        }
        if (!info.DType.IsFloat())
            throw WrongType(source, info, "floating-point");
        if (info.DType == DType.F32)
        {
            // A span of 2^29 floats and more has no byte span, hence the pieces.
            for (int at = 0; at < destination.Length;)
            {
                Span<float> piece = destination.Slice(at, Math.Min(1 << 28, destination.Length - at));
                source.Read(name, (firstElement + at) * sizeof(float), MemoryMarshal.AsBytes(piece));
                at += piece.Length;
            }
            return;
        }
        int size = info.DType.Bits() / 8;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            for (int at = 0; at < destination.Length;)
            {
                Span<float> piece = destination.Slice(at, Math.Min(PieceBytes / size, destination.Length - at));
                Span<byte> stored = buffer.AsSpan(0, piece.Length * size);
                source.Read(name, (firstElement + at) * size, stored);
                StoredElements.ToFloats(info.DType, stored, piece);
                at += piece.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>The whole tensor as fp32, row-major.</summary>
    /// <exception cref="ModelFileException">TS001 no such tensor; TS003 not a float type; TS004 too large for one array.</exception>
    public static float[] ReadFloats(this ITensorSource source, string name)
    {
        float[] values = new float[source.ArrayLength(name)];
        source.ReadFloats(name, 0, values);
        return values;
    }

    /// <summary>Reads elements from <paramref name="firstElement"/> on as bf16: stored BF16 as it is, other float types rounded to nearest even.</summary>
    /// <exception cref="ModelFileException">TS001 no such tensor; TS003 not a float type; TS004 outside the tensor.</exception>
    public static void ReadBFloat16s(this ITensorSource source, string name, long firstElement, Span<BFloat16> destination)
    {
        TensorInfo info = source.RequireRange(name, firstElement, destination.Length);
        if (info.DType == DType.BF16)
        {
            for (int at = 0; at < destination.Length;)
            {
                Span<BFloat16> piece = destination.Slice(at, Math.Min(1 << 29, destination.Length - at));
                source.Read(name, (firstElement + at) * sizeof(ushort), MemoryMarshal.AsBytes(piece));
                at += piece.Length;
            }
            return;
        }
        float[] buffer = ArrayPool<float>.Shared.Rent(PieceBytes / sizeof(float));
        try
        {
            for (int at = 0; at < destination.Length;)
            {
                Span<float> piece = buffer.AsSpan(0, Math.Min(PieceBytes / sizeof(float), destination.Length - at));
                source.ReadFloats(name, firstElement + at, piece);
                BFloat16.Narrow(piece, destination.Slice(at, piece.Length));
                at += piece.Length;
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(buffer);
        }
    }

    /// <summary>The whole tensor as 64-bit integers; stored in any integer type whose values fit, or as truth values.</summary>
    /// <exception cref="ModelFileException">TS001 no such tensor; TS003 not an integer type, or a U64 value above 2^63−1; TS004 too large for one array.</exception>
    public static long[] ReadInt64s(this ITensorSource source, string name)
    {
        TensorInfo info = source.Require(name);
        if (info.DType is not (DType.I64 or DType.I32 or DType.I16 or DType.I8 or DType.U64 or DType.U32 or DType.U16 or DType.U8 or DType.Bool))
            throw WrongType(source, info, "integer");
        long[] values = new long[source.ArrayLength(name)];
        int size = info.DType.Bits() / 8;
        byte[] buffer = new byte[Math.Min(PieceBytes, values.LongLength * size)];
        for (int at = 0; at < values.Length;)
        {
            int count = Math.Min(PieceBytes / size, values.Length - at);
            Span<byte> stored = buffer.AsSpan(0, count * size);
            source.Read(name, (long)at * size, stored);
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> one = stored.Slice(i * size, size);
                values[at + i] = info.DType switch
                {
                    DType.I64 => BinaryPrimitives.ReadInt64LittleEndian(one),
                    DType.U64 => (long)BinaryPrimitives.ReadUInt64LittleEndian(one) is var n and >= 0 ? n : throw WrongType(source, info, "signed 64-bit"),
                    DType.I32 => BinaryPrimitives.ReadInt32LittleEndian(one),
                    DType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(one),
                    DType.I16 => BinaryPrimitives.ReadInt16LittleEndian(one),
                    DType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(one),
                    DType.I8 => (sbyte)one[0],
                    _ => one[0],
                };
            }
            at += count;
        }
        return values;
    }

    // Ranges may start and end inside a block: such blocks are decoded whole beside the destination.
    private static void ReadBlocks(ITensorSource source, TensorInfo info, long first, Span<float> destination)
    {
        BlockFormat format = BlockFormats.Of(info.DType);
        if (format.Decode is not { } decode)
            throw new ModelFileException("TS005", source.Path, $"tensor '{Echo.Name(info.Name)}' {info.ShapeText} is stored as {format.Name}, which can be listed and copied but not decoded here; "
                + "take a file of another type (Q4_K, Q6_K, Q8_0 …)");
        int blocks = Math.Max(1, PieceBytes / format.Bytes);
        byte[] stored = ArrayPool<byte>.Shared.Rent(blocks * format.Bytes);
        float[] part = ArrayPool<float>.Shared.Rent(format.Elements);
        try
        {
            for (int at = 0; at < destination.Length;)
            {
                (long block, long skip) = Math.DivRem(first + at, format.Elements);
                int whole = skip == 0 ? Math.Min(blocks, (destination.Length - at) / format.Elements) : 0;
                Span<byte> bytes = stored.AsSpan(0, Math.Max(1, whole) * format.Bytes);
                source.Read(info.Name, block * format.Bytes, bytes);
                if (whole > 0)
                {
                    decode(bytes, destination.Slice(at, whole * format.Elements));
                    at += whole * format.Elements;
                    continue;
                }
                decode(bytes, part.AsSpan(0, format.Elements));
                int count = (int)Math.Min(format.Elements - skip, destination.Length - at);
                part.AsSpan((int)skip, count).CopyTo(destination[at..]);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
            ArrayPool<float>.Shared.Return(part);
        }
    }

    /// <summary>Checks that a range of elements lies within the tensor, whose stored elements must be whole bytes.</summary>
    private static TensorInfo RequireRange(this ITensorSource source, string name, long first, long count)
    {
        TensorInfo info = source.Require(name);
        return first >= 0 && count <= info.Count && first <= info.Count - count ? info : throw new ModelFileException("TS004", source.Path,
            $"tensor '{Echo.Name(name)}' {info.ShapeText} has {info.Count} elements; {count} from {first} on were asked for");
    }

    private static int ArrayLength(this ITensorSource source, string name)
    {
        TensorInfo info = source.Require(name);
        return info.Count <= Array.MaxLength ? (int)info.Count : throw new ModelFileException("TS004", source.Path,
            $"tensor '{Echo.Name(name)}' {info.ShapeText} is too large to be read in one piece");
    }

    private static ModelFileException WrongType(ITensorSource source, TensorInfo info, string needed) => new("TS003", source.Path,
        $"tensor '{Echo.Name(info.Name)}' {info.ShapeText} is stored as {info.DType}, but {needed} values are needed here");
}
