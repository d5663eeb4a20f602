using System.Diagnostics;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.OpenCl;
using Marrow.Engine.Jit;
using Marrow.Formats;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Devices;

public sealed class OpenClDeviceTests(ITestOutputHelper output)
{
    [Fact]
    public void EveryListedDeviceCanBeOpenedOrSaysWhyNot()
    {
        IReadOnlyList<DeviceListing> listed = OpenClDevices.List();
        Assert.NotEmpty(listed);
        foreach (DeviceListing listing in listed)
        {
            output.WriteLine($"{listing.Name} {listing.Description} {listing.Capabilities} {listing.WhyNot}");
            Assert.Equal(listing.Open is null, listing.WhyNot is not null);
            if (listing.Open is null)
                continue;
            using var device = (KernelDevice)listing.Open(new DeviceOptions());
            output.WriteLine(device.Capabilities.ToString());
            Assert.Equal(listing.Name, device.Name);
            Assert.True(device.Capabilities.MemoryBytes >= device.Capabilities.MaxBufferBytes && device.Capabilities.MaxBufferBytes > 0);
            Assert.True(device.Capabilities.MaxLanes >= 1 && device.Capabilities.SharedBytes >= 1 << 10);
            Assert.Equal(device.Capabilities.Subgroups, device.Dialect.Subgroups);
            Assert.Equal(device.Capabilities.MatrixUnits, device.Dialect.MatrixUnits);
        }
    }

    [Fact]
    public void AMissingLibraryIsAReasonAndNoCrash()
    {
        DeviceListing only = Assert.Single(OpenClDevices.List(["libNoSuchOpenCL.so.7"]));
        Assert.Equal("opencl", only.Name);
        Assert.Null(only.Open);
        Assert.Contains("libNoSuchOpenCL.so.7", only.WhyNot, StringComparison.Ordinal);
        Assert.Contains("ocl-icd-libopencl1", only.WhyNot, StringComparison.Ordinal);
    }

    [Fact]
    public void ALibraryWithoutTheFunctionsIsTooOld()
    {
        // Any library of the system will do: it is found, and is no OpenCL loader.
        string other = OperatingSystem.IsWindows() ? "kernel32.dll" : OperatingSystem.IsMacOS() ? "libSystem.dylib" : "libc.so.6";
        DeviceListing only = Assert.Single(OpenClDevices.List([other]));
        Assert.Contains("clGetPlatformIDs", only.WhyNot, StringComparison.Ordinal);
        Assert.Contains(other, only.WhyNot, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ALoaderWithoutDriversSaysWhatToInstall()
    {
        using (KernelDevice? device = OpenClTestDevice.Open(output))
        {
            if (device is null || !OperatingSystem.IsLinux())
                return;
        }
        // Loaders read their drivers' names in this folder: here one that names a library that is gone.
        using var folder = new TemporaryFolder();
        folder.Put("gone.icd", "libNoSuchDriver.so.7\n");
        var start = new ProcessStartInfo("dotnet", [typeof(OpenClDeviceTests).Assembly.Location, "devices"]) { RedirectStandardOutput = true };
        start.Environment["OCL_ICD_VENDORS"] = folder.Path + "/";
        using Process child = Process.Start(start)!;
        string said = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        output.WriteLine(said);
        string line = Assert.Single(said.Split('\n'), l => l.StartsWith("opencl", StringComparison.Ordinal));
        Assert.StartsWith("opencl: the OpenCL loader knows no driver", line, StringComparison.Ordinal);
        Assert.Contains("pocl-opencl-icd", line, StringComparison.Ordinal);
        Assert.Equal(0, child.ExitCode);
    }

    [Fact]
    public void TheDriversErrorsBecomeCodesWithTheRemedy()
    {
        OpenClFound? found = OpenClDevices.Find(OpenClApi.LibraryNames, out string whyNot).FirstOrDefault(f => f.WhyNot is null);
        if (found is null)
        {
            output.WriteLine($"skipped: {whyNot}");
            return;
        }
        using var context = new OpenClContext(found, "opencl:0", asked => new MarrowException("E901", asked));
        MarrowException lost = Assert.Throws<MarrowException>(() => context.Queued(OpenClStatus.InvalidCommandQueue, "queueing kernel ", "rows"));
        Assert.Equal("DV010", lost.Code);
        foreach (string part in new[] { "queueing kernel rows", "CL_INVALID_COMMAND_QUEUE", "checkpoint is safe", "--resume" })
            Assert.Contains(part, lost.Message, StringComparison.Ordinal);
        Assert.Equal("DV010", Assert.Throws<MarrowException>(() => context.Queued(OpenClStatus.DeviceNotAvailable, "copying")).Code);
        // What fails while the host waits failed earlier, on the device.
        Assert.Equal("DV010", Assert.Throws<MarrowException>(() => context.Waited(OpenClStatus.OutOfResources, "downloading")).Code);
        MarrowException memory = Assert.Throws<MarrowException>(() => context.Queued(OpenClStatus.MemObjectAllocationFailure, "copying"));
        Assert.Equal(("E901", "copying failed (CL_MEM_OBJECT_ALLOCATION_FAILURE)"), (memory.Code, memory.Message));
        MarrowException refused = Assert.Throws<MarrowException>(() => context.Queued(-54, "queueing kernel ", "rows"));
        Assert.Equal("DV013", refused.Code);
        Assert.Contains("CL_INVALID_WORK_GROUP_SIZE", refused.Message, StringComparison.Ordinal);
        context.Queued(0, "copying");
        context.Waited(0, "downloading");
        Assert.Equal(["CL_SUCCESS", "CL_KERNEL_ARG_INFO_NOT_AVAILABLE", "CL_INVALID_VALUE", "CL_INVALID_DEVICE_PARTITION_COUNT", "CL error -25", "CL error -9999"],
            new[] { 0, -19, -30, -68, -25, -9999 }.Select(OpenClStatus.Name));
    }

    [Fact]
    public void BytesComeBackFromOddPlaces()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        DeviceBuffer buffer = device.Allocate(10_000);
        DeviceBuffer other = device.Allocate(5_000);
        byte[] whole = Numbers(10_000, 1);
        device.Upload(buffer, 0, whole);
        byte[] part = Numbers(333, 2);
        device.Upload(buffer, 77, part);
        part.CopyTo(whole, 77);
        device.Copy(buffer, 101, buffer, 7_001, 1_999);
        whole.AsSpan(101, 1_999).CopyTo(whole.AsSpan(7_001));
        device.Copy(buffer, 13, other, 5, 4_000);
        device.Copy(other, 5, buffer, 5_555, 1_000);
        whole.AsSpan(13, 1_000).CopyTo(whole.AsSpan(5_555));
        foreach ((int at, int bytes) in new[] { (3, 5), (64, 128), (200, 12), (999, 0), (4_001, 1) })
        {
            device.Clear(buffer, at, bytes);
            whole.AsSpan(at, bytes).Clear();
        }
        device.Upload(buffer, 50, []);
        byte[] back = new byte[10_000];
        device.Download(buffer, 0, back);
        Assert.Equal(whole, back);
        byte[] piece = new byte[501];
        device.Download(buffer, 6_999, piece);
        Assert.Equal(whole.AsSpan(6_999, 501).ToArray(), piece);
        device.Free(buffer);
        device.Free(other);
    }

    [Fact]
    public void UploadsThatLapTheRingArriveInOrder()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        const int piece = (1 << 20) - 100;
        DeviceBuffer[] buffers = [.. Enumerable.Range(0, 12).Select(_ => device.Allocate(piece))];
        for (int i = 0; i < buffers.Length; i++)
            device.Upload(buffers[i], 0, Numbers(piece, i));
        DeviceBuffer large = device.Allocate(3 << 20);
        device.Upload(large, 1, Numbers((3 << 20) - 1, 99));
        byte[] back = new byte[piece];
        for (int i = 0; i < buffers.Length; i++)
        {
            device.Download(buffers[i], 0, back);
            Assert.Equal(Numbers(piece, i), back);
        }
        byte[] whole = new byte[(3 << 20) - 1];
        device.Download(large, 1, whole);
        Assert.Equal(Numbers((3 << 20) - 1, 99), whole);
    }

    [Fact]
    public void SmallUploadsAndLaunchesDoNotWait()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        using var x = Tensor.Of(device, new Shape(100), new float[100]);
        using var y = new Tensor(device, new Shape(100));
        KernelText axpy = OpenClTexts.Axpy();
        device.Launch(axpy, new Grid(64, 2), x, null, y, 1f, 100);
        device.Synchronize();
        long waits = device.Waits;
        for (int i = 0; i < 100; i++)
        {
            x.Upload<float>(new float[100]);
            device.Launch(axpy, new Grid(64, 2), x, null, y, 1f, 100);
        }
        Assert.Equal(waits, device.Waits);
        y.ToArray();
        Assert.Equal(waits + 1, device.Waits);
    }

    [Fact]
    public void ArgumentsReachTheKernel()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        const int n = 5_000;
        float[] values = [.. Enumerable.Range(0, n).Select(i => (float)i)];
        using var x = Tensor.Of(device, new Shape(n), values);
        using var b = Tensor.Of(device, new Shape(n), values);
        using var y = new Tensor(device, new Shape(n));
        KernelText axpy = OpenClTexts.Axpy();
        device.Clear(y.Buffer, 0, n * 4);
        using Tensor inner = x.View(10, new Shape(2_000));
        device.Launch(axpy, new Grid(64, 8, 4), Arg.At(inner, 3), Arg.At(b, 100), Arg.At(y, 7), 2f, 1_900);
        device.Launch(axpy, new Grid(64, 1), x, null, Arg.At(y, 4_000), -1f, 50);
        device.Launch(axpy, new Grid(64, 0), x, null, y, 1f, n);
        float[] want = new float[n];
        for (int i = 0; i < 1_900; i++)
            want[7 + i] = 2 * (i + 13) + i + 100;
        for (int i = 0; i < 50; i++)
            want[4_000 + i] = -i;
        Assert.Equal(want, y.ToArray());
        Assert.Equal(2, device.Launches);
    }

    [Fact]
    public void ATensorOfAnotherDeviceIsRefused()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        using var cpu = new Marrow.Engine.Devices.Cpu.CpuDevice(1);
        using var x = new Tensor(cpu, new Shape(64));
        using var y = new Tensor(device, new Shape(64));
        InvalidOperationException e = Assert.Throws<InvalidOperationException>(() => device.Launch(OpenClTexts.Axpy(), new Grid(64, 1), x, null, y, 1f, 64));
        Assert.Contains("lies on cpu", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ALaunchAllocatesNothingOnTheManagedHeap()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        using var x = Tensor.Of(device, new Shape(640), new float[640]);
        using var y = new Tensor(device, new Shape(640));
        KernelText axpy = OpenClTexts.Axpy();
        float[] values = new float[640];
        Step();
        device.Synchronize();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 500; i++)
            Step();
        device.Synchronize();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Step()
        {
            x.Upload<float>(values);
            device.Launch(axpy, new Grid(64, 10), x, x, y, 0.5f, 640);
            device.Copy(y.Buffer, 0, x.Buffer, 0, 4 * 640);
            device.Clear(y.Buffer, 0, 4 * 640);
            y.Download<float>(values);
        }
    }

    [Fact]
    public void AKernelThatDoesNotBuildIsAnErrorWithTheCompilersWords()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        using var x = new Tensor(device, new Shape(64));
        KernelText good = OpenClTexts.Axpy();
        KernelText bad = good with { Source = good.Source.Replace("a * x", "no_such_name * x", StringComparison.Ordinal) };
        MarrowException e = Assert.Throws<MarrowException>(() => device.Launch(bad, new Grid(64, 1), x, null, x, 1f, 64));
        output.WriteLine(e.Message);
        Assert.Equal("DV011", e.Code);
        Assert.Contains("kernel axpy", e.Message, StringComparison.Ordinal);
        Assert.Contains("no_such_name", e.Message, StringComparison.Ordinal);
        Assert.Contains("--dump-kernels", e.Message, StringComparison.Ordinal);
        device.Launch(good, new Grid(64, 1), x, null, x, 1f, 64);
        device.Synchronize();
    }

    [Fact]
    public void AWrongBuildOptionIsNamed()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output, new DeviceOptions { BuildOptions = "-no-such-option" });
        if (device is null)
            return;
        using var x = new Tensor(device, new Shape(64));
        MarrowException e = Assert.Throws<MarrowException>(() => device.Launch(OpenClTexts.Axpy(), new Grid(64, 1), x, null, x, 1f, 64));
        output.WriteLine(e.Message);
        Assert.Equal("DV011", e.Code);
        Assert.Contains("-no-such-option", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GroupsThatAreTooWideAreRefusedByName()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        using var x = new Tensor(device, new Shape(64));
        KernelText wide = OpenClTexts.Axpy() with { Lanes = 2 * device.Capabilities.MaxLanes };
        MarrowException e = Assert.Throws<MarrowException>(() => device.Launch(wide, new Grid(wide.Lanes, 1), x, null, x, 1f, 64));
        output.WriteLine(e.Message);
        Assert.Equal("DV013", e.Code);
        Assert.Contains("axpy", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheMemoryLimitHoldsAndTheErrorHasItsFigures()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output, new DeviceOptions { MemoryLimit = 64L << 20 });
        if (device is null)
            return;
        DeviceBuffer first = device.Allocate(40 << 20);
        MarrowException e = Assert.Throws<MarrowException>(() => device.Allocate(32 << 20));
        output.WriteLine(e.Message);
        Assert.Equal("E901", e.Code);
        foreach (string part in new[] { device.Name, "32 MiB were asked for", "40 MiB are in use of 64 MiB", "batch_size", "activation_checkpointing" })
            Assert.Contains(part, e.Message, StringComparison.Ordinal);
        device.Free(first);
        // What is kept for reuse gives way.
        DeviceBuffer second = device.Allocate(60 << 20);
        Assert.Equal(60L << 20, device.ReservedBytes);
        device.Free(second);
    }

    [Fact]
    public void ABufferAboveTheLargestIsRefusedWithThatFigure()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        MarrowException e = Assert.Throws<MarrowException>(() => device.Allocate(device.Capabilities.MaxBufferBytes * 2));
        output.WriteLine(e.Message);
        Assert.Equal("E901", e.Code);
        Assert.Contains($"one buffer may have {device.Capabilities.MaxBufferBytes >> 20} MiB at most", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TwoDevicesAreOpenAtOnceAndClosingTwiceIsHarmless()
    {
        using KernelDevice? one = OpenClTestDevice.Open(output);
        using KernelDevice? two = OpenClTestDevice.Open(output);
        if (one is null || two is null)
            return;
        using var x = Tensor.Of(one, new Shape(3), [1, 2, 3]);
        using (var y = Tensor.Of(two, new Shape(3), [4, 5, 6]))
            Assert.Equal([4f, 5, 6], y.ToArray());
        two.Dispose();
        two.Dispose();
        Assert.Equal([1f, 2, 3], x.ToArray());
    }

    private static byte[] Numbers(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
