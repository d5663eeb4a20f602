using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Engine.Tests.Ops;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Jit;

/// <summary>Block-quantised elements in kernels: what they decode to, on a device, and what is refused.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class BlockTextTests(KernelDevices devices, ITestOutputHelper output)
{
    private static readonly Dialect OpenCl = new(DialectLanguage.OpenCl, false, false);

    public static TheoryData<DType> Types => BlockWeights.Types;

    [Fact]
    public void Every_type_that_is_decoded_without_a_table_is_read()
    {
        DType[] grids = [DType.IQ1_S, DType.IQ1_M, DType.IQ2_XXS, DType.IQ2_XS, DType.IQ2_S, DType.IQ3_XXS, DType.IQ3_S];
        Assert.Equal(Enum.GetValues<DType>().Where(t => t.IsBlock()).Except(grids), BlockElements.All);
        Assert.All(BlockElements.All, t => Assert.True(KernelDevice.Reads(t)));
        Assert.False(KernelDevice.Reads(DType.IQ2_XS));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Elements_are_those_of_the_format(DType type)
    {
        foreach (string kind in (string[])["opencl", "cuda"])
        {
            if (!devices.Find(output, kind, out Device found))
                continue;
            var device = (KernelDevice)found;
            const int rows = 3, width = 512;
            using Tensor x = BlockWeights.Upload(device, new Random(3), type, new Shape(rows, width), out float[] values);
            using Tensor y = new(device, x.Shape), fours = new(device, new Shape(rows - 1, width)), from = x.View(width, new Shape(rows - 1, width)), narrow = new(device, x.Shape, DType.BF16);
            float size = values.Max(MathF.Abs);
            Assert.True(float.IsFinite(size) && size > 0);
            device.Launch(Kernel.Of(typeof(BlockKernels), nameof(BlockKernels.Singly)), device.Over(rows * width), x, y, rows, width);
            Same(values, y.ToArray(), size);
            // From an element on, and from the place of a view on.
            device.Launch(Kernel.Of(typeof(BlockKernels), nameof(BlockKernels.InFours)), device.Over(rows * width / 4), x, fours, rows, width);
            Same(values.AsSpan(width), fours.ToArray(), size);
            device.Launch(Kernel.Of(typeof(BlockKernels), nameof(BlockKernels.Singly)), device.Over((rows - 1) * width), from, fours, rows - 1, width);
            Same(values.AsSpan(width), fours.ToArray(), size);
            device.Launch(Kernel.Of(typeof(BlockKernels), nameof(BlockKernels.Singly)), device.Over(width), Arg.At(x, 2 * width), Arg.At(fours, width), 1, width);
            Same(values.AsSpan(2 * width), fours.ToArray().AsSpan(width), size);
            Engine.Ops.CastInto(y, x);
            Same(values, y.ToArray(), size);
            Engine.Ops.CastInto(narrow, x);
            for (int i = 0; i < values.Length; i++)
                Assert.Equal(values[i], narrow.ToArray()[i], MathF.Abs(values[i]) / 256 + size * 1e-6f);
        }
    }

    [Theory]
    [InlineData(nameof(BlockKernels.Stored))]
    [InlineData(nameof(BlockKernels.Placed))]
    public void Blocks_are_only_read(string name)
    {
        Kernel kernel = Kernel.Of(typeof(BlockKernels), name);
        MarrowException e = Assert.Throws<MarrowException>(() => KernelTranslator.Translate(kernel, [.. kernel.Parameters.Select(_ => DType.Q4_K)], new ulong[kernel.Parameters.Length], 32, OpenCl));
        Assert.Equal("JT001", e.Code);
        Assert.Contains("Q4_K", e.Message, StringComparison.Ordinal);
        Assert.Contains("Load", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_type_without_a_text_is_refused()
    {
        Kernel kernel = Kernel.Of(typeof(BlockKernels), nameof(BlockKernels.Singly));
        Assert.Equal("JT003", Assert.Throws<MarrowException>(() => KernelTranslator.Translate(kernel, [DType.IQ2_XS, DType.F32, DType.F32, DType.F32], new ulong[4], 32, OpenCl)).Code);
    }

    // Products of two roundings at most may be contracted by the driver.
    private static void Same(ReadOnlySpan<float> want, ReadOnlySpan<float> got, float size)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
            Assert.True(MathF.Abs(want[i] - got[i]) <= 2.5e-7f * size, $"element {i}: {got[i]}, expected {want[i]} (of at most {size})");
    }
}
