using System.Buffers.Binary;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Random weights of block-quantised types: all bits are drawn, scales so that values are of the order of one.</summary>
internal static class BlockWeights
{
    /// <summary>The types that kernels read.</summary>
    public static TheoryData<DType> Types => [.. BlockElements.All];

    /// <summary>Blocks for a matrix.</summary>
    public static byte[] Draw(Random random, DType type, Shape shape)
    {
        BlockFormat format = BlockFormats.Of(type);
        var bytes = new byte[type.Bytes(shape.Count)];
        random.NextBytes(bytes);
        for (int at = 0; at < bytes.Length; at += format.Bytes)
        {
            Span<byte> block = bytes.AsSpan(at, format.Bytes);
            float scale = (0.5f + random.NextSingle()) * Scale(type) * (random.Next(2) == 0 ? 1 : -1);
            if (type is DType.NF4 or DType.Q8_K)
                BinaryPrimitives.WriteSingleLittleEndian(block, MathF.Abs(scale));
            foreach (int place in Halves(type))
                BinaryPrimitives.WriteHalfLittleEndian(block[place..], (Half)scale);
            if (type == DType.MXFP4)
                block[0] = (byte)(random.Next(16) == 0 ? random.Next(3) : random.Next(121, 127));
            if (type == DType.NVFP4)
                for (int i = 0; i < 4; i++)
                    block[i] &= 0x3f;
        }
        return bytes;
    }

    /// <summary>A tensor of random blocks and the values that they stand for.</summary>
    public static Tensor Upload(Device device, Random random, DType type, Shape shape, out float[] values)
    {
        byte[] bytes = Draw(random, type, shape);
        values = new float[shape.Count];
        BlockFormats.Of(type).Decode!(bytes, values);
        var tensor = new Tensor(device, shape, type);
        tensor.Upload<byte>(bytes);
        return tensor;
    }

    // Where a block has fp16 scales and minima.
    private static int[] Halves(DType type) => type switch
    {
        DType.Q4_0 or DType.Q5_0 or DType.Q8_0 or DType.IQ4_NL or DType.IQ4_XS => [0],
        DType.Q4_1 or DType.Q5_1 or DType.Q8_1 or DType.Q4_K or DType.Q5_K => [0, 2],
        DType.Q2_K => [80, 82],
        DType.Q3_K => [108],
        DType.Q6_K => [208],
        DType.TQ1_0 => [52],
        DType.TQ2_0 => [64],
        _ => [],
    };

    // One over the largest code, with its part's scale.
    private static float Scale(DType type) => type switch
    {
        DType.Q4_0 or DType.Q4_1 => 1f / 8,
        DType.Q5_0 or DType.Q5_1 => 1f / 16,
        DType.Q8_0 or DType.Q8_1 or DType.Q8_K or DType.IQ4_NL => 1f / 127,
        DType.Q2_K => 1f / 32,
        DType.Q3_K => 1f / 128,
        DType.Q4_K => 1f / 900,
        DType.Q5_K => 1f / 1800,
        DType.Q6_K or DType.IQ4_XS => 1f / 4000,
        _ => 1f,
    };
}
