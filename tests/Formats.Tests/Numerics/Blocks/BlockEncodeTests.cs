using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Tests.Numerics.Blocks;

public sealed class BlockEncodeTests
{
    private static readonly float[] Values = BlockInputs.Values();

    public static TheoryData<string> Types => new(BlockFormats.All.Where(f => f.Encode != null && f.Id >= 0).Select(f => f.Name));

    [Fact]
    public void Inputs_are_those_that_ggml_had() =>
        Assert.Equal(GgmlGoldens.Read().Input, GgmlGoldens.Digest(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(Values)));

    [Theory]
    [MemberData(nameof(Types))]
    public void Blocks_are_ggmls(string type)
    {
        BlockFormat format = BlockFormats.All.Single(f => f.Name == type);
        GgmlGoldens goldens = GgmlGoldens.Read();
        byte[] blocks = Encode(format, Values);
        byte[] expected = goldens.FirstBlocks(type);
        int group = 256 / format.Elements * format.Bytes;
        for (int kind = 0; kind < 12; kind++)
            Assert.Equal($"{kind}: " + Hex(expected.AsSpan(kind * format.Bytes, format.Bytes)), $"{kind}: " + Hex(blocks.AsSpan(kind * group, format.Bytes)));
        Assert.Equal(goldens.Encoded(type), GgmlGoldens.Digest(blocks));

        string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexString(bytes);
    }

    /// <summary>Spec/formats.md §3.5 has the errors of the reference; NF4's is that of its levels.</summary>
    [Theory]
    [InlineData("Q8_0", .0053)]
    [InlineData("Q6_K", .0177)]
    [InlineData("Q5_K", .0361)]
    [InlineData("Q5_1", .0378)]
    [InlineData("Q5_0", .0427)]
    [InlineData("Q4_K", .0714)]
    [InlineData("Q4_1", .0782)]
    [InlineData("IQ4_NL", .0784)]
    [InlineData("Q4_0", .0857)]
    [InlineData("Q3_K", .1505)]
    [InlineData("Q2_K", .2955)]
    [InlineData("NF4", .0920)]
    public void Errors_on_Gaussian_values_are_the_references(string type, double expected)
    {
        BlockFormat format = BlockFormats.All.Single(f => f.Name == type);
        var random = new SplitMix64(5);
        float[] values = new float[1 << 18];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)BlockInputs.Normal(ref random);
        float[] again = BlockDecodeTests.Decode(format, Encode(format, values));
        double error = 0, norm = 0;
        for (int i = 0; i < values.Length; i++)
        {
            error += Math.Pow(values[i] - again[i], 2);
            norm += Math.Pow(values[i], 2);
        }
        Assert.InRange(Math.Sqrt(error / norm), 0.97 * expected, 1.03 * expected);
    }

    [Fact]
    public void Blocks_do_not_depend_on_how_many_are_encoded_at_once()
    {
        foreach (BlockFormat format in BlockFormats.All.Where(f => f.Encode != null))
        {
            ReadOnlySpan<float> values = Values.AsSpan(0, 24 * 256);
            byte[] one = new byte[format.Bytes];
            Span<byte> all = Encode(format, values);
            for (int at = 0; at < values.Length; at += format.Elements)
            {
                format.Encode!(values.Slice(at, format.Elements), one);
                Assert.True(all.Slice(at / format.Elements * format.Bytes, format.Bytes).SequenceEqual(one), $"{format.Name} {at}");
            }
        }
    }

    [Fact]
    public void Values_without_an_encoding_are_found()
    {
        foreach (BlockFormat format in BlockFormats.All.Where(f => f.Encode != null))
        {
            float[] values = Values[..2048];
            byte[] blocks = new byte[values.Length / format.Elements * format.Bytes];
            Assert.Equal(-1, BlockEncoding.Encode(format, values, blocks));
            Assert.Equal(Encode(format, values), blocks);
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                values[1001] = bad;
                Assert.Equal(1001, BlockEncoding.Encode(format, values, blocks));
            }
            foreach (float large in new[] { 3e38f, -1e20f, 1e9f })
            {
                values[1001] = large;
                int unfit = BlockEncoding.Encode(format, values, blocks);
                Assert.True(format.DType == DType.NF4 ? unfit == -1 : unfit == 1001 || unfit == 1001 / format.Elements * format.Elements, $"{format.Name} {large} {unfit}");
            }
            values[1001] = 0;
            values[2047] = float.NaN;
            Assert.Equal(2047, BlockEncoding.Encode(format, values, blocks));
        }
    }

    [Fact]
    public void Half_precision_scales_bound_what_is_stored()
    {
        BlockFormat format = BlockFormats.Of(DType.Q4_0);
        float[] values = new float[64];
        byte[] blocks = new byte[36];
        values[40] = 8 * 65504;
        Assert.Equal(-1, BlockEncoding.Encode(format, values, blocks));
        Assert.Equal(values, BlockDecodeTests.Decode(format, blocks));
        values[40] = 8 * 65520;
        Assert.Equal(32, BlockEncoding.Encode(format, values, blocks));
    }

    internal static byte[] Encode(BlockFormat format, ReadOnlySpan<float> values)
    {
        byte[] blocks = new byte[values.Length / format.Elements * format.Bytes];
        format.Encode!(values, blocks);
        return blocks;
    }
}
