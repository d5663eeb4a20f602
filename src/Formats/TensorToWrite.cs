using System.Buffers;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;

namespace Marrow.Formats;

/// <summary>One tensor to be written; its bytes are made only when their turn comes, so that memory stays bounded.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="DType">Its stored element type.</param>
/// <param name="Shape">Its dimensions, slowest first; empty for a scalar.</param>
/// <param name="Write">Puts exactly the tensor's little-endian bytes into the stream.</param>
public sealed record TensorToWrite(string Name, DType DType, IReadOnlyList<long> Shape, Action<Stream> Write)
{
    private const int PieceElements = 1 << 14, CopyBytes = 1 << 20;

    /// <summary>The number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (n, d) => checked(n * d));

    /// <summary>A tensor of fp32 values (row-major, as many as the shape says), stored as F32, F16, BF16 (both rounded to nearest even) or F64.</summary>
    public static TensorToWrite FromFloats(string name, IReadOnlyList<long> shape, ReadOnlyMemory<float> values, DType storedAs = DType.F32)
    {
        if (!storedAs.IsFloat())
            throw new ArgumentException($"fp32 values cannot be stored as {storedAs}", nameof(storedAs));
        return new(name, storedAs, shape, stream =>
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(PieceElements * sizeof(double));
            try
            {
                for (int at = 0; at < values.Length; at += PieceElements)
                {
                    ReadOnlySpan<float> piece = values.Span.Slice(at, Math.Min(PieceElements, values.Length - at));
                    Span<byte> stored = buffer.AsSpan(0, piece.Length * (storedAs.Bits() / 8));
                    StoredElements.FromFloats(storedAs, piece, stored);
                    stream.Write(stored);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        });
    }

    /// <summary>A tensor of 64-bit integers.</summary>
    public static TensorToWrite FromInt64s(string name, IReadOnlyList<long> shape, ReadOnlyMemory<long> values) =>
        new(name, DType.I64, shape, stream => WriteBytes(stream, values.Span));

    /// <summary>The stored bytes of another file's tensor, whatever their type; <paramref name="newName"/> renames it.</summary>
    /// <exception cref="ModelFileException">TS001 the source has no such tensor.</exception>
    public static TensorToWrite Copy(ITensorSource source, string name, string? newName = null)
    {
        TensorInfo info = source.Require(name);
        return new(newName ?? name, info.DType, info.Shape, stream =>
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(CopyBytes, info.ByteLength));
            try
            {
                for (long at = 0; at < info.ByteLength;)
                {
                    Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, info.ByteLength - at));
                    source.Read(name, at, piece);
                    stream.Write(piece);
                    at += piece.Length;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        });
    }

    private static void WriteBytes(Stream stream, ReadOnlySpan<long> values)
    {
        for (int at = 0; at < values.Length; at += PieceElements)
            stream.Write(MemoryMarshal.AsBytes(values.Slice(at, Math.Min(PieceElements, values.Length - at))));
    }
}
