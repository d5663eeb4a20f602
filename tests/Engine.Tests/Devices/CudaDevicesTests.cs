using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cuda;
using Marrow.Formats;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Devices;

public sealed class CudaDevicesTests(ITestOutputHelper output)
{
    [Fact]
    public void Without_a_driver_the_list_tells_what_to_install()
    {
        DeviceListing found = Assert.Single(CudaDevices.List(["libno-such-driver.so"], []));
        Assert.Equal("cuda", found.Name);
        Assert.Null(found.Open);
        Assert.Contains("libno-such-driver.so", found.WhyNot, StringComparison.Ordinal);
        Assert.Contains("install NVIDIA's driver", found.WhyNot, StringComparison.Ordinal);
    }

    [Fact]
    public void A_library_that_is_no_driver_is_named()
    {
        string? library = ((string[])["libc.so.6", "kernel32.dll", "libSystem.dylib"]).FirstOrDefault(name => System.Runtime.InteropServices.NativeLibrary.TryLoad(name, out _));
        Assert.NotNull(library);
        DeviceListing found = Assert.Single(CudaDevices.List([library], []));
        Assert.Contains("has no cuInit", found.WhyNot, StringComparison.Ordinal);
    }

    [Fact]
    public void The_libraries_are_looked_for_in_given_folders_first_and_no_newer_than_the_driver()
    {
        using var folder = new TemporaryFolder();
        string name = OperatingSystem.IsWindows() ? "nvrtc64_120_0.dll" : "libnvrtc.so.12";
        File.WriteAllText(Path.Combine(folder.Path, name), "");
        File.WriteAllText(Path.Combine(folder.Path, OperatingSystem.IsWindows() ? "nvrtc64_130_0.dll" : "libnvrtc.so.13"), "");
        string[] all = [.. CudaLibraries.Nvrtc(12040, [folder.Path])];
        Assert.Equal(Path.Combine(folder.Path, name), all[0]);
        Assert.Equal(name, all[1]);
        Assert.DoesNotContain(all, path => path.Contains("13", StringComparison.Ordinal) && path.StartsWith(folder.Path, StringComparison.Ordinal));
        Assert.Equal("12.4", CudaLibraries.Text(12040));
        // An empty file is no library, which is no error.
        Assert.Equal(0, CudaLibraries.Load(all[0]));
    }

    [Fact]
    public void Where_there_is_a_device_it_runs_kernels()
    {
        DeviceListing[] listed = [.. DeviceCatalog.List().Where(l => l.Name.StartsWith("cuda", StringComparison.Ordinal))];
        foreach (DeviceListing listing in listed)
            output.WriteLine($"{listing.Name} {listing.Description} {listing.Capabilities} {listing.WhyNot}");
        if (listed.FirstOrDefault(l => l.Open is not null) is not { } usable)
        {
            Assert.All(listed, l => Assert.False(string.IsNullOrEmpty(l.WhyNot)));
            Assert.Equal("DV002", Assert.Throws<MarrowException>(() => DeviceCatalog.Open("cuda", new DeviceOptions())).Code);
            return;
        }
        using var device = (KernelDevice)usable.Open!(new DeviceOptions { Notice = output.WriteLine });
        float[] values = [.. Enumerable.Range(0, 3_000_000).Select(i => (float)i)];
        using Tensor x = Tensor.Of(device, new Shape(values.Length), values), y = new(device, new Shape(values.Length));
        device.Copy(x.Buffer, x.Offset, y.Buffer, y.Offset, x.Bytes);
        Assert.Equal(values, y.ToArray());
        y.Clear();
        Assert.All(y.ToArray(), v => Assert.Equal(0f, v));
    }
}
