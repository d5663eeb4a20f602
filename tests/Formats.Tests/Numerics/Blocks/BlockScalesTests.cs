using System.Buffers.Binary;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Tests.Numerics.Blocks;

public class BlockScalesTests
{
    public static TheoryData<DType> Types => [.. BlockFormats.All.Where(f => f.Decode is not null && !BlockScales.HalvesOf(f.DType).IsEmpty).Select(f => f.DType)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Every_value_of_a_block_is_proportional_to_its_scales(DType type)
    {
        BlockFormat format = BlockFormats.Of(type);
        var random = new Random(9);
        for (int round = 0; round < 50; round++)
        {
            byte[] block = new byte[format.Bytes];
            random.NextBytes(block);
            foreach (int place in BlockScales.HalvesOf(type))
                BinaryPrimitives.WriteHalfLittleEndian(block.AsSpan(place, 2), (Half)(random.NextSingle() * 4 - 2));
            float[] before = new float[format.Elements], after = new float[format.Elements];
            format.Decode!(block, before);
            foreach (int place in BlockScales.HalvesOf(type))
                BinaryPrimitives.WriteHalfLittleEndian(block.AsSpan(place, 2), (Half)((float)BinaryPrimitives.ReadHalfLittleEndian(block.AsSpan(place, 2)) * 8));
            format.Decode!(block, after);
            Assert.Contains(before, v => v != 0);
            Assert.Equal(before.Select(v => v * 8), after);
        }
    }
}
