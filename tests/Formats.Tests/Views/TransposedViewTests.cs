using Marrow.Formats.Numerics;
using Marrow.Formats.Tests.Rwkv;
using Marrow.Formats.Views;

namespace Marrow.Formats.Tests.Views;

public class TransposedViewTests
{
    [Theory]
    [InlineData(DType.F32, 4096, 4096, true)]
    [InlineData(DType.F32, 4096, 4097, false)]
    [InlineData(DType.BF16, 8192, 4096, true)]
    [InlineData(DType.BF16, 1 << 20, 1 << 20, false)]
    [InlineData(DType.Q8_0, 4097, 4096, false)]
    public void A_matrix_too_large_is_refused_before_it_is_read(DType type, long rows, long columns, bool fits)
    {
        using var source = new MemoryTensors();
        var stored = new TensorInfo("blocks.3.w1", type, [rows, columns], type.Bytes(rows * columns));
        if (fits)
        {
            Assert.Equal([columns, rows], new TransposedView("x", source, stored).Info.Shape);
            return;
        }
        ModelFileException error = Assert.Throws<ModelFileException>(() => new TransposedView("x", source, stored));
        Assert.Equal("TV001", error.Code);
        Assert.Contains("'blocks.3.w1'", error.Message, StringComparison.Ordinal);
        Assert.Empty(source.ReadNames);
    }
}
