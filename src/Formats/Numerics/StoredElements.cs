using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Numerics;

/// <summary>Elements between their stored bytes and fp32, for the types of which <see cref="DTypes.IsReal"/> is true.</summary>
internal static class StoredElements
{
    /// <summary>Makes fp32 of stored elements: exact but for F64, which is rounded. Blocks must be whole.</summary>
    public static void ToFloats(DType type, ReadOnlySpan<byte> stored, Span<float> values)
    {
        switch (type)
        {
            case DType.F32:
                stored.CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case DType.BF16:
                BFloat16.Widen(MemoryMarshal.Cast<byte, BFloat16>(stored), values);
                break;
            case DType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(stored), values);
                break;
            case DType.F64:
                ReadOnlySpan<double> doubles = MemoryMarshal.Cast<byte, double>(stored);
                for (int i = 0; i < doubles.Length; i++)
                    values[i] = (float)doubles[i];
                break;
            default:
                BlockFormats.Of(type).Decode!(stored, values);
                break;
        }
    }

    /// <summary>Stores fp32 values: F16 and BF16 rounded to nearest even, blocks as their encoder does.</summary>
    public static void FromFloats(DType type, ReadOnlySpan<float> values, Span<byte> stored)
    {
        switch (type)
        {
            case DType.F32:
                MemoryMarshal.AsBytes(values).CopyTo(stored);
                break;
            case DType.BF16:
                BFloat16.Narrow(values, MemoryMarshal.Cast<byte, BFloat16>(stored));
                break;
            case DType.F16:
                TensorPrimitives.ConvertToHalf(values, MemoryMarshal.Cast<byte, Half>(stored));
                break;
            case DType.F64:
                Span<double> doubles = MemoryMarshal.Cast<byte, double>(stored);
                for (int i = 0; i < values.Length; i++)
                    doubles[i] = values[i];
                break;
            default:
                BlockFormats.Of(type).Encode!(values, stored);
                break;
        }
    }
}
