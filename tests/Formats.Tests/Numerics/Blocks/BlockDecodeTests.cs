using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Tests.Numerics.Blocks;

public sealed class BlockDecodeTests
{
    [Theory]
    [InlineData("Q4_0", 0)]
    [InlineData("Q4_1", 0, 2)]
    [InlineData("Q5_0", 0)]
    [InlineData("Q5_1", 0, 2)]
    [InlineData("Q8_0", 0)]
    [InlineData("Q2_K", 80, 82)]
    [InlineData("Q3_K", 108)]
    [InlineData("Q4_K", 0, 2)]
    [InlineData("Q5_K", 0, 2)]
    [InlineData("Q6_K", 208)]
    [InlineData("Q8_K", 2)]
    [InlineData("IQ4_NL", 0)]
    [InlineData("IQ4_XS", 0)]
    [InlineData("TQ1_0", 52)]
    [InlineData("TQ2_0", 64)]
    public void Random_blocks_decode_as_ggml_decodes_them(string type, params int[] scales)
    {
        BlockFormat format = BlockFormats.All.Single(f => f.Name == type);
        float[] values = Decode(format, BlockInputs.RandomBlocks(format, scales));
        Assert.Equal(GgmlGoldens.Read().Decoded(type), GgmlGoldens.Digest(MemoryMarshal.AsBytes<float>(values)));
    }

    [Fact]
    public void Every_half_widens_as_the_runtime_widens_it()
    {
        Span<byte> bytes = stackalloc byte[2];
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)bits);
            Assert.Equal(BitConverter.SingleToInt32Bits((float)BitConverter.UInt16BitsToHalf((ushort)bits)), BitConverter.SingleToInt32Bits(Sixteen.Half(bytes)));
        }
    }

    [Fact]
    public void Unpacked_codes_times_scales_less_minima_are_the_decoded_values()
    {
        foreach (BlockFormat format in BlockFormats.All.Where(f => f.Unpack is not null))
        {
            byte[] blocks = BlockInputs.RandomBlocks(format);
            float[] values = Decode(format, blocks);
            int places = values.Length / 16 * UnpackedCodes.Rows;
            var codes = new Vector128<byte>[places];
            float[] scales = new float[places], minima = new float[places];
            format.Unpack!(blocks, new UnpackedCodes(codes, scales, minima));
            for (int i = 0; i < values.Length; i++)
            {
                int place = i / 16 * UnpackedCodes.Rows;
                int code = codes[place].AsSByte()[i % 16];
                float product = (format.Levels.IsEmpty ? code : format.Levels.Span[code]) * scales[place];
                Assert.Equal(BitConverter.SingleToInt32Bits(values[i]), BitConverter.SingleToInt32Bits(product - minima[place]));
            }
        }
        Assert.All(BlockFormats.All, f => Assert.Equal(f.Decode is null, f.Unpack is null));
    }

    [Fact]
    public void Q8_1_differs_from_Q8_0_by_a_sum()
    {
        BlockFormat format = BlockFormats.Of(DType.Q8_1), plain = BlockFormats.Of(DType.Q8_0);
        byte[] blocks = BlockInputs.RandomBlocks(format, 0), without = new byte[BlockInputs.Blocks * 34];
        for (int i = 0; i < BlockInputs.Blocks; i++)
        {
            blocks.AsSpan(36 * i, 2).CopyTo(without.AsSpan(34 * i));
            blocks.AsSpan(36 * i + 4, 32).CopyTo(without.AsSpan(34 * i + 2));
        }
        Assert.Equal(Decode(plain, without), Decode(format, blocks));
    }

    [Fact]
    public void MXFP4_is_a_power_of_two_times_E2M1()
    {
        float[] levels = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6];
        BlockFormat format = BlockFormats.Of(DType.MXFP4);
        for (int e = 0; e < 255; e++)
        {
            byte[] block = [(byte)e, .. Enumerable.Range(0, 16).Select(i => (byte)(i | (15 - i) << 4))];
            float[] values = Decode(format, block);
            for (int i = 0; i < 32; i++)
            {
                int code = i < 16 ? i : 31 - i;
                double expected = levels[code & 7] * Math.Pow(2, e - 127) * (code > 7 ? -1 : 1);
                Assert.Equal((float)expected, values[i]);
            }
        }
    }

    [Fact]
    public void NVFP4_is_an_E4M3_scale_times_E2M1()
    {
        float[] levels = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6];
        BlockFormat format = BlockFormats.Of(DType.NVFP4);
        for (int s = 0; s < 128; s++)
        {
            byte[] block = new byte[36];
            for (int sub = 0; sub < 4; sub++)
            {
                block[sub] = (byte)((s + sub) % 128);
                for (int i = 0; i < 8; i++)
                    block[4 + 8 * sub + i] = (byte)(i | (15 - i) << 4);
            }
            float[] values = Decode(format, block);
            for (int i = 0; i < 64; i++)
            {
                int code = i % 16 < 8 ? i % 16 : 23 - i % 16, x = (s + i / 16) % 128;
                double scale = x == 127 ? 0 : x < 8 ? x / 512.0 : (1 + x % 8 / 8.0) * Math.Pow(2, x / 8 - 7);
                Assert.Equal((float)(levels[code & 7] * scale * (code > 7 ? -1 : 1)), values[i]);
            }
        }
    }

    [Fact]
    public void Decoding_allocates_nothing()
    {
        foreach (BlockFormat format in BlockFormats.All.Where(f => f.Decode != null))
        {
            byte[] blocks = new byte[4 * format.Bytes];
            float[] values = new float[4 * format.Elements];
            format.Decode!(blocks, values);
            long before = GC.GetAllocatedBytesForCurrentThread();
            format.Decode(blocks, values);
            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    [Fact]
    public void Types_are_listed_once_and_have_their_own_numbers()
    {
        Assert.Equal(BlockFormats.All.Count, BlockFormats.All.Select(f => f.DType).Distinct().Count());
        Assert.Equal(BlockFormats.All.Count, BlockFormats.All.Select(f => f.Id).Distinct().Count());
    }

    internal static float[] Decode(BlockFormat format, byte[] blocks)
    {
        float[] values = new float[blocks.Length / format.Bytes * format.Elements];
        format.Decode!(blocks, values);
        return values;
    }
}
