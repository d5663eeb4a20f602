using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cuda;
using Marrow.Engine.Jit;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Devices;

/// <summary>The host's side of CUDA against a stand-in for NVIDIA's libraries: arguments, memory, errors, the cache and the order of matrices.</summary>
public sealed class CudaDeviceTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _notices = [];

    private static KernelText Axpy(string name = "axpy", string source = "axpy") => new(name, source, 64, [new(0, true, 4), new(1, true, 4), new(2, true, 4), new(3, false, 4), new(4, false, 4)]);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Memory_copies_and_launches_reach_the_driver()
    {
        using CudaDevice? device = Open();
        if (device is null)
            return;
        Assert.Equal(3, device.Capabilities.ComputeUnits);
        Assert.True(device.Capabilities.MatrixUnits);
        // Several turns of the upload ring, at places that are no multiple of anything.
        float[] values = [.. Enumerable.Range(0, 5_000_001).Select(i => (float)(i % 1000))];
        using Tensor x = Tensor.Of(device, new Shape(values.Length), values), y = new(device, new Shape(values.Length));
        device.Copy(x.Buffer, 4, y.Buffer, 0, x.Bytes - 4);
        Assert.Equal(values[1..], y.ToArray()[..^1]);
        device.Clear(y.Buffer, 0, y.Bytes);
        KernelText text = Axpy();
        const int n = 1000;
        device.Launch(text, new Grid(64, 8, 2), Arg.At(x, 3), null, Arg.At(y, 5), 2f, n);
        device.Launch(text, new Grid(64, 16), Arg.At(x, 3), x, Arg.At(y, n + 5), 2f, n);
        float[] found = y.ToArray();
        for (int i = 0; i < n; i++)
        {
            Assert.Equal(2 * values[i + 3], found[i + 5]);
            Assert.Equal(2 * values[i + 3] + values[i], found[n + 5 + i]);
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
        {
            device.Launch(text, new Grid(64, 1), Arg.At(x, 3), x, y, 2f, 64);
            device.Upload(y.Buffer, 0, [1, 2, 3]);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1, device.Compiled);
    }

    [Fact]
    public void A_later_process_loads_what_an_earlier_one_compiled()
    {
        string cache = Path.Combine(_folder.Path, "cache");
        for (int time = 0; time < 3; time++)
        {
            using CudaDevice? device = Open(new DeviceOptions { KernelCache = cache });
            if (device is null)
                return;
            using var x = new Tensor(device, new Shape(64));
            device.Launch(Axpy(), new Grid(64, 1), x, null, x, 1f, 64);
            Assert.Equal((time == 0 ? 1 : 0, time == 0 ? 0 : 1), (device.Compiled, device.Loaded));
        }
    }

    [Fact]
    public void Errors_have_codes_and_the_drivers_names()
    {
        using CudaDevice? device = Open(new DeviceOptions { MemoryLimit = 8 << 20 });
        if (device is null)
            return;
        using var x = new Tensor(device, new Shape(1 << 20));
        Assert.Equal("E901", Assert.Throws<MarrowException>(() => device.Allocate(8 << 20)).Code);
        MarrowException refused = Assert.Throws<MarrowException>(() => device.Launch(Axpy(source: "wrong"), new Grid(64, 1), x, null, x, 1f, 1));
        Assert.Equal("DV011", refused.Code);
        Assert.Contains("identifier \"wrong\" is undefined", refused.Message, StringComparison.Ordinal);
        Assert.Contains("--gpu-architecture=sm_86 --std=c++17", refused.Message, StringComparison.Ordinal);
        MarrowException absent = Assert.Throws<MarrowException>(() => device.Launch(Axpy("other"), new Grid(64, 1), x, null, x, 1f, 1));
        Assert.Equal("DV013", absent.Code);
        Assert.Contains("CUDA_ERROR_NOT_FOUND", absent.Message, StringComparison.Ordinal);
        Assert.Equal("DV013", Assert.Throws<MarrowException>(() => device.Launch(Axpy(), new Grid(64, 1, 70_000), x, null, x, 1f, 1)).Code);
        device.Launch(Axpy(), new Grid(64, 1), x, null, x, 1f, -1);
        MarrowException lost = Assert.Throws<MarrowException>(device.Synchronize);
        Assert.Equal("DV010", lost.Code);
        Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", lost.Message, StringComparison.Ordinal);
        Assert.Contains("--resume", lost.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Products_by_the_library_see_rows_as_rows(bool aTransposed, bool bTransposed)
    {
        using CudaDevice? device = Open();
        if (device is null)
            return;
        CublasLt blas = device.Blas!;
        Assert.NotNull(blas);
        const int m = 5, n = 7, k = 6;
        int aStride = (aTransposed ? m : k) + 2, bStride = (bTransposed ? k : n) + 1, cStride = n + 3;
        foreach (DType type in (DType[])[DType.F32, DType.BF16])
        {
            foreach (DType result in type == DType.F32 ? (DType[])[DType.F32] : [DType.F32, DType.BF16])
            {
                float[] a = Numbers(aStride * 8, 1), b = Numbers(bStride * 8, 2), c = Numbers(cStride * m, 3);
                using Tensor ta = Make(device, a, type), tb = Make(device, b, type), tc = Make(device, c, result);
                bool done = blas.TryMatMul(m, n, k, 2f, new(ta.Buffer.Handle, type, aStride, aTransposed), new(tb.Buffer.Handle, type, bStride, bTransposed), 1f, new(tc.Buffer.Handle, result, cStride));
                Assert.True(done);
                float[] found = new float[c.Length];
                tc.ReadFloats(found);
                for (int i = 0; i < m; i++)
                {
                    for (int j = 0; j < n; j++)
                    {
                        float sum = c[i * cStride + j];
                        for (int p = 0; p < k; p++)
                            sum += 2 * a[aTransposed ? p * aStride + i : i * aStride + p] * b[bTransposed ? j * bStride + p : p * bStride + j];
                        Assert.Equal(result == DType.F32 ? sum : (float)(BFloat16)sum, found[i * cStride + j]);
                    }
                }
                Assert.False(blas.TryMatMul(m, n, k, 1f, new(ta.Buffer.Handle, type, aStride), new(tb.Buffer.Handle, type == DType.F32 ? DType.BF16 : DType.F32, bStride), 0f, new(tc.Buffer.Handle, result, cStride)));
            }
        }
    }

    [Fact]
    public void Without_the_library_one_notice_tells_so()
    {
        using CudaDevice? device = Open();
        if (device is null)
            return;
        using var elsewhere = new TemporaryFolder();
        File.CreateSymbolicLink(Path.Combine(elsewhere.Path, "libnvrtc.so.12"), Path.Combine(_folder.Path, "libcuda-stand-in.so"));
        DeviceListing listing = Assert.Single(CudaDevices.List([Path.Combine(_folder.Path, "libcuda-stand-in.so")], [elsewhere.Path]));
        using var plain = (CudaDevice)listing.Open!(new DeviceOptions { LibraryFolders = [elsewhere.Path], Notice = _notices.Add });
        if (plain.Blas is not null)
        {
            output.WriteLine("the machine has a cuBLASLt of its own");
            return;
        }
        Assert.Null(plain.Blas);
        Assert.Contains("cuBLASLt was not found", Assert.Single(_notices), StringComparison.Ordinal);
    }

    private CudaDevice? Open(DeviceOptions? options = null) => CudaStandIn.Open(output, _folder.Path, options ?? new DeviceOptions());

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)random.Next(-4, 5))];
    }

    private static Tensor Make(Device device, float[] values, DType type)
    {
        var tensor = new Tensor(device, new Shape(values.Length), type);
        if (type == DType.F32)
        {
            tensor.Upload<float>(values);
            return tensor;
        }
        var halves = new BFloat16[values.Length];
        BFloat16.Narrow(values, halves);
        tensor.Upload<BFloat16>(halves);
        return tensor;
    }
}
