using System.Buffers;
using System.Runtime.InteropServices;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Engine;

/// <summary>Moves fp32 tensors between a device and files, piece by piece.</summary>
public static class TensorFiles
{
    private const int PieceElements = 1 << 16;

    /// <summary>The shape as files state it.</summary>
    public static long[] Dimensions(Shape shape)
    {
        var dimensions = new long[shape.Rank];
        for (int i = 0; i < dimensions.Length; i++)
            dimensions[i] = shape[i];
        return dimensions;
    }

    /// <summary>The elements of fp32 <paramref name="tensor"/> from <paramref name="first"/> on, to be written as F32 with <paramref name="shape"/>.</summary>
    public static TensorToWrite ToWrite(string name, Tensor tensor, long first, Shape shape) => new(name, DType.F32, Dimensions(shape), stream =>
    {
        float[] piece = ArrayPool<float>.Shared.Rent(PieceElements);
        for (long at = 0; at < shape.Count; at += PieceElements)
        {
            Span<float> values = piece.AsSpan(0, (int)Math.Min(PieceElements, shape.Count - at));
            tensor.Download(values, first + at);
            stream.Write(MemoryMarshal.AsBytes(values));
        }
        ArrayPool<float>.Shared.Return(piece);
    });

    /// <summary>Fills fp32 <paramref name="tensor"/> from the file's tensor of that name.</summary>
    /// <exception cref="ModelFileException">TS001 … TS004 there is no such tensor, or not of this size.</exception>
    public static void Read(ITensorSource source, string name, Tensor tensor)
    {
        source.Require(name, Dimensions(tensor.Shape));
        float[] piece = ArrayPool<float>.Shared.Rent(PieceElements);
        for (long at = 0; at < tensor.Shape.Count; at += PieceElements)
        {
            Span<float> values = piece.AsSpan(0, (int)Math.Min(PieceElements, tensor.Shape.Count - at));
            source.ReadFloats(name, at, values);
            tensor.Upload<float>(values, at);
        }
        ArrayPool<float>.Shared.Return(piece);
    }
}
