using Marrow.Formats.Gguf;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Case 46 of spec/formats.md §9: NaN and infinity in values and in the scales of blocks.</summary>
public sealed class TensorValuesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string? Fault(DType type, int count, Action<byte[]> damage)
    {
        byte[] bytes = new byte[type.Bytes(count)];
        damage(bytes);
        GgufWriter.Write(_folder["t.gguf"], new GgufMetadata("t"), [new TensorToWrite("blk.0.x", type, [count], stream => stream.Write(bytes))]);
        using GgufFile file = GgufFile.Open(_folder["t.gguf"]);
        ModelFileException? fault = file.FirstFault("blk.0.x");
        Assert.Equal(fault is null ? null : "GG024", fault?.Code);
        return fault?.Message;
    }

    [Theory]
    [InlineData(DType.Q4_0, 0)]
    [InlineData(DType.Q4_1, 0, 2)]
    [InlineData(DType.Q5_0, 0)]
    [InlineData(DType.Q5_1, 0, 2)]
    [InlineData(DType.Q8_0, 0)]
    [InlineData(DType.Q8_1, 0, 2)]
    [InlineData(DType.Q2_K, 80, 82)]
    [InlineData(DType.Q3_K, 108)]
    [InlineData(DType.Q4_K, 0, 2)]
    [InlineData(DType.Q5_K, 0, 2)]
    [InlineData(DType.Q6_K, 208)]
    [InlineData(DType.IQ1_S, 0)]
    [InlineData(DType.IQ2_XXS, 0)]
    [InlineData(DType.IQ2_XS, 0)]
    [InlineData(DType.IQ2_S, 0)]
    [InlineData(DType.IQ3_XXS, 0)]
    [InlineData(DType.IQ3_S, 0)]
    [InlineData(DType.IQ4_NL, 0)]
    [InlineData(DType.IQ4_XS, 0)]
    [InlineData(DType.TQ1_0, 52)]
    [InlineData(DType.TQ2_0, 64)]
    public void Scales_of_half_precision(DType type, params int[] scales)
    {
        BlockFormat format = BlockFormats.Of(type);
        foreach (int at in scales)
            foreach (var (half, fault) in new (ushort, string?)[] { (0x7C00, "infinite"), (0xFC00, "infinite"), (0x7E00, "NaN"), (0xFFFF, "NaN"), (0x7BFF, null), (0x03FF, null) })
            {
                string? found = Fault(type, 5 * format.Elements, bytes => BitConverter.GetBytes(half).CopyTo(bytes, (3 * format.Bytes) + at));
                if (fault is null)
                    Assert.Null(found);
                else
                    Assert.Contains($"'blk.0.x' [{5 * format.Elements}] {type}: block 3 has a scale that is {fault}", found, StringComparison.Ordinal);
            }
        // Every other byte of the block may hold anything.
        Assert.Null(Fault(type, format.Elements, bytes =>
        {
            bytes.AsSpan().Fill(0xFF);
            foreach (int at in scales)
                bytes.AsSpan(at, 2).Clear();
        }));
    }

    [Fact]
    public void Scales_of_other_forms()
    {
        Assert.Contains("block 1 has a scale that is NaN", Fault(DType.MXFP4, 64, bytes => bytes[17] = 0xFF), StringComparison.Ordinal);
        Assert.Null(Fault(DType.MXFP4, 64, bytes => bytes[17] = 0xFE));
        Assert.Contains("block 1 has a scale that is infinite", Fault(DType.Q8_K, 512, bytes => BitConverter.GetBytes(float.PositiveInfinity).CopyTo(bytes, 292)), StringComparison.Ordinal);
        // 0x7C00 in the upper four bits of the four numbers, the lowest first.
        Assert.Contains("block 0 has a scale that is infinite", Fault(DType.IQ1_M, 256, bytes => (bytes[53], bytes[55]) = (0xC0, 0x70)), StringComparison.Ordinal);
        Assert.Null(Fault(DType.IQ1_M, 256, bytes => (bytes[51], bytes[53], bytes[55]) = (0xF0, 0xB0, 0x70)));
        Assert.Null(Fault(DType.NVFP4, 64, bytes => bytes.AsSpan().Fill(0xFF)));
    }

    [Theory]
    [InlineData(DType.F32, 4)]
    [InlineData(DType.F16, 2)]
    [InlineData(DType.BF16, 2)]
    [InlineData(DType.F64, 8)]
    public void Plain_values(DType type, int size)
    {
        const int Count = 300_000;
        byte[] infinite = type switch
        {
            DType.F32 => BitConverter.GetBytes(float.NegativeInfinity),
            DType.F16 => BitConverter.GetBytes(Half.NegativeInfinity),
            DType.BF16 => [0x80, 0xFF],
            _ => BitConverter.GetBytes(double.NegativeInfinity),
        };
        Assert.Null(Fault(type, Count, _ => { }));
        string? found = Fault(type, Count, bytes => infinite.CopyTo(bytes, 299_999 * size));
        Assert.Contains("element 299999 is infinite", found, StringComparison.Ordinal);
        infinite[0] |= 1;
        found = Fault(type, Count, bytes => infinite.CopyTo(bytes, 0));
        Assert.Contains("element 0 is NaN", found, StringComparison.Ordinal);
    }

    [Fact]
    public void Whole_numbers_have_none() => Assert.Null(Fault(DType.I32, 8, bytes => bytes.AsSpan().Fill(0xFF)));
}
