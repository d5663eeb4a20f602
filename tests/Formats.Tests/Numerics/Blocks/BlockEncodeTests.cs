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

    internal static byte[] Encode(BlockFormat format, ReadOnlySpan<float> values)
    {
        byte[] blocks = new byte[values.Length / format.Elements * format.Bytes];
        format.Encode!(values, blocks);
        return blocks;
    }
}
