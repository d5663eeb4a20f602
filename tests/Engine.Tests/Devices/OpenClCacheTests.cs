using System.Diagnostics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Devices;

public sealed class OpenClCacheTests(ITestOutputHelper output)
{
    private const int Kernels = 4;

    /// <summary>Runs <see cref="Kernels"/> kernels with a cache in <paramref name="folder"/> and checks what they compute; "compiled C, loaded L".</summary>
    public static string Run(string folder, Action<string>? notice = null)
    {
        DeviceListing found = DeviceCatalog.Find("opencl");
        using var device = (KernelDevice)found.Open!(new DeviceOptions { KernelCache = folder, Notice = notice });
        using var x = Tensor.Of(device, new Shape(3), [1, 2, 3]);
        using var y = new Tensor(device, new Shape(3));
        for (int i = 0; i < Kernels; i++)
        {
            device.Launch(OpenClTexts.Axpy(16, $"axpy{i}"), new Grid(16, 1), x, x, y, (float)i, 3);
            Assert.Equal([1f + i, 2 * (1f + i), 3 * (1f + i)], y.ToArray());
        }
        return $"compiled {device.Compiled}, loaded {device.Loaded}";
    }

    [Fact]
    public async Task ASecondProcessLoadsAndCompilesNothing()
    {
        if (!HasDevice())
            return;
        using var folder = new TemporaryFolder();
        Assert.Equal($"compiled {Kernels}, loaded 0", Run(folder["kernels"]));
        Assert.Equal($"compiled 0, loaded {Kernels}", Run(folder["kernels"]));
        var start = new ProcessStartInfo("dotnet", [typeof(OpenClCacheTests).Assembly.Location, "opencl-kernels", folder["kernels"]])
        {
            RedirectStandardOutput = true,
        };
        // PoCL has a cache of its own, which must not be what helps here.
        start.Environment["POCL_CACHE_DIR"] = folder["pocl"];
        using Process child = Process.Start(start)!;
        string said = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        Assert.Equal($"compiled 0, loaded {Kernels}", said.Trim());
    }

    [Fact]
    public void ADamagedEntryIsCompiledAgain()
    {
        if (!HasDevice())
            return;
        using var folder = new TemporaryFolder();
        Run(folder["kernels"]);
        string file = Directory.GetFiles(folder["kernels"]).Order(StringComparer.Ordinal).First();
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..^3]);
        Assert.Equal($"compiled 1, loaded {Kernels - 1}", Run(folder["kernels"]));
        Assert.Equal($"compiled 0, loaded {Kernels}", Run(folder["kernels"]));
    }

    [Fact]
    public void ABinaryThatTheDriverRefusesIsCompiledAgainAndToldOnce()
    {
        if (!HasDevice())
            return;
        using var folder = new TemporaryFolder();
        Run(folder["kernels"]);
        using (KernelDevice device = OpenClTestDevice.Open(output)!)
        {
            // What is stored is whole, but no program of this driver's.
            KernelCache cache = KernelCache.For(new DeviceOptions { KernelCache = folder["kernels"] })!;
            var opencl = (Marrow.Engine.Devices.OpenCl.OpenClDevice)device;
            for (int i = 0; i < 2; i++)
                cache.Store(OpenClTexts.Axpy(16, $"axpy{i}").Source, opencl.BuildOptions, opencl.Identity, new byte[300]);
        }
        List<string> notices = [];
        Assert.Equal($"compiled 2, loaded {Kernels - 2}", Run(folder["kernels"], notices.Add));
        Assert.Contains("refuses", Assert.Single(notices), StringComparison.Ordinal);
        Assert.Equal($"compiled 0, loaded {Kernels}", Run(folder["kernels"]));
    }

    [Fact]
    public void TextsAreDumpedWhetherCompiledOrLoaded()
    {
        using var folder = new TemporaryFolder();
        for (int run = 0; run < 2; run++)
        {
            using KernelDevice? device = OpenClTestDevice.Open(output, new DeviceOptions { KernelCache = folder["kernels"], DumpKernels = folder[$"dump{run}"] });
            if (device is null)
                return;
            using var x = new Tensor(device, new Shape(16));
            KernelText text = OpenClTexts.Axpy(16);
            device.Launch(text, new Grid(16, 1), x, null, x, 1f, 16);
            Assert.Equal(run, device.Loaded);
            Assert.Equal(text.Source, File.ReadAllText(folder[$"dump{run}", "axpy.cl"]));
        }
    }

    private bool HasDevice()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        return device is not null;
    }
}
