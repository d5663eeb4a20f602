using System.Numerics.Tensors;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Models;

/// <summary>Quantises weights while they are loaded.</summary>
internal static class BlockQuantisation
{
    // Whole blocks of every type, and enough for a thread.
    private const int PieceElements = 1 << 14;

    // Scales are fp16 in most types.
    private const float Largest = 65504;

    /// <summary>Encodes values, whole blocks, and puts them into a tensor of a block type from element <paramref name="at"/> on; blocks are shared out to threads.</summary>
    /// <exception cref="MarrowException">MD003: a value is not finite, or too large for a block's scale.</exception>
    public static void Upload(ReadOnlyMemory<float> values, Tensor tensor, long at, string name, string path)
    {
        BlockFormat format = BlockFormats.Of(tensor.DType);
        BlockEncoder encode = format.Encode ?? throw new ArgumentException($"{format.Name} is not encoded here", nameof(tensor));
        // NaN is on neither side of the limit.
        if (!(TensorPrimitives.MaxMagnitude(values.Span) <= Largest))
            throw new ModelFileException("MD003", path, $"tensor '{Echo.Name(name)}' {tensor} holds a value that is not finite or beyond {Largest}, which {format.Name} cannot hold; load it as fp32 or bf16 (model.dtype, --dtype)");
        var blocks = new byte[tensor.DType.Bytes(values.Length)];
        Parallel.For(0, (values.Length + PieceElements - 1) / PieceElements, piece =>
        {
            int first = piece * PieceElements, count = Math.Min(PieceElements, values.Length - first);
            encode(values.Span.Slice(first, count), blocks.AsSpan(first / format.Elements * format.Bytes, count / format.Elements * format.Bytes));
        });
        tensor.Upload<byte>(blocks, at);
    }
}
