using System.Buffers.Binary;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Tests.Numerics.Blocks;

public sealed class NF4Tests
{
    private static readonly float[] Levels =
    [
        -1f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1f,
    ];

    [Fact]
    public void First_elements_are_in_high_nibbles()
    {
        byte[] block = new byte[36];
        BinaryPrimitives.WriteSingleLittleEndian(block, 2.5f);
        for (int i = 0; i < 32; i++)
            block[4 + i] = (byte)(i * 7 + 3);
        float[] values = BlockDecodeTests.Decode(BlockFormats.Of(DType.NF4), block);
        for (int i = 0; i < 64; i++)
            Assert.Equal(Levels[i % 2 == 0 ? block[4 + i / 2] >> 4 : block[4 + i / 2] & 15] * 2.5f, values[i]);
    }

    [Fact]
    public void Every_value_goes_to_the_nearest_level()
    {
        BlockFormat format = BlockFormats.Of(DType.NF4);
        var random = new SplitMix64(9);
        float[] values = new float[64 * 500];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(BlockInputs.Gaussian(ref random) * (i / 64 + 1));
        byte[] blocks = BlockEncodeTests.Encode(format, values);
        float[] again = BlockDecodeTests.Decode(format, blocks);
        for (int b = 0; b < 500; b++)
        {
            float largest = values.AsSpan(64 * b, 64).ToArray().Max(MathF.Abs);
            Assert.Equal(largest, BinaryPrimitives.ReadSingleLittleEndian(blocks.AsSpan(36 * b)));
            for (int i = 64 * b; i < 64 * (b + 1); i++)
            {
                double nearest = Levels.Min(level => Math.Abs((double)values[i] - level * largest));
                Assert.InRange(Math.Abs((double)values[i] - again[i]), 0, nearest + 1e-6 * largest);
            }
        }
    }

    [Fact]
    public void Decoded_values_keep_their_codes()
    {
        BlockFormat format = BlockFormats.Of(DType.NF4);
        byte[] block = new byte[36];
        BinaryPrimitives.WriteSingleLittleEndian(block, 0.37f);
        for (int i = 0; i < 32; i++)
            block[4 + i] = (byte)(i * 37 + 15);
        Assert.Equal(block, BlockEncodeTests.Encode(format, BlockDecodeTests.Decode(format, block)));
    }

    [Fact]
    public void Zeros_stay_zeros() =>
        Assert.Equal(new float[64], BlockDecodeTests.Decode(BlockFormats.Of(DType.NF4), BlockEncodeTests.Encode(BlockFormats.Of(DType.NF4), new float[64])));
}
