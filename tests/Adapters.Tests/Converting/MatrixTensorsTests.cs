using Marrow.Adapters.Converting;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>Bytes of matrices that are held as values.</summary>
public sealed class MatrixTensorsTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(3, 1 << 20)]
    [InlineData(1 << 15, 1 << 14)]
    public void Any_bytes_are_read_of_the_largest_too(int rows, int columns)
    {
        if (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < 4L * 4 * rows * columns)
        {
            output.WriteLine($"skipped: too little memory for [{rows},{columns}]");
            return;
        }
        // Pages that nothing touches cost nothing.
        float[] values = GC.AllocateUninitializedArray<float>(rows * columns);
        int border = 1 << 20;
        values.AsSpan(border - 1, 3).Fill(2.5f);
        values[^2] = 7;
        values[^1] = -3;
        using var tensors = new MatrixTensors("matrices", new Dictionary<string, AdapterMatrix> { ["m"] = new(rows, columns, DType.F32, () => values) });
        long bytes = tensors.Tensors["m"].ByteLength;
        var read = new byte[8];
        tensors.Read("m", bytes - 8, read);
        Assert.Equal((7f, -3f), (BitConverter.ToSingle(read), BitConverter.ToSingle(read, 4)));
        tensors.Read("m", 4L * border - 2, read);
        byte[] stored = [.. BitConverter.GetBytes(2.5f), .. BitConverter.GetBytes(2.5f), .. BitConverter.GetBytes(2.5f)];
        Assert.Equal(stored[2..10], read);
    }
}
