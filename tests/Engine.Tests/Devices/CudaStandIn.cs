using System.Diagnostics;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cuda;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Devices;

/// <summary>Builds cuda_stand_in.c as the driver, NVRTC and cuBLASLt in a folder, with whatever C compiler is there.</summary>
internal static class CudaStandIn
{
    /// <summary>The device behind it; null, with the reason printed, where no C compiler is installed or the system is not Linux.</summary>
    public static CudaDevice? Open(ITestOutputHelper output, string folder, DeviceOptions options)
    {
        string driver = Path.Combine(folder, "libcuda-stand-in.so");
        if (!OperatingSystem.IsLinux() || (!File.Exists(driver) && !Build(Repository.PathOf("tests", "Engine.Tests", "Devices", "cuda_stand_in.c"), driver)))
        {
            output.WriteLine("skipped: no C compiler here to build the driver's stand-in with (cc, gcc, clang, clang-14)");
            return null;
        }
        // The libraries share the driver's state through the names of its symbols: they are one file under three names.
        foreach (string name in (string[])["libnvrtc.so.12", "libcublasLt.so.12"])
        {
            if (!File.Exists(Path.Combine(folder, name)))
                File.CreateSymbolicLink(Path.Combine(folder, name), driver);
        }
        DeviceListing listing = Assert.Single(CudaDevices.List([driver], [folder]));
        Assert.True(listing.Open is not null, listing.WhyNot);
        Assert.Equal("cuda:0", listing.Name);
        return (CudaDevice)listing.Open(options with { LibraryFolders = [folder] });
    }

    private static bool Build(string source, string library)
    {
        foreach (string compiler in (string[])["cc", "gcc", "clang", "clang-14"])
        {
            try
            {
                using Process process = Process.Start(new ProcessStartInfo(compiler, ["-shared", "-fPIC", "-O1", "-std=gnu11", "-o", library, source]) { RedirectStandardError = true })!;
                string said = process.StandardError.ReadToEnd();
                process.WaitForExit();
                Assert.True(process.ExitCode == 0, said);
                return true;
            }
            catch (System.ComponentModel.Win32Exception)
            {
            }
        }
        return false;
    }
}
