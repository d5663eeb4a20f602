using System.Globalization;
using System.Runtime.InteropServices;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>
/// Where the libraries of the CUDA toolkit may lie: in folders that the program names (PyTorch's wheels carry them), where the system looks, in the toolkit's usual places.
/// </summary>
internal static class CudaLibraries
{
    private static readonly int[] Majors = [13, 12, 11];

    /// <summary>File names and paths of NVRTC to try in turn. Of versions, the one of the driver's own CUDA first, then older ones; newer ones do not work with it.</summary>
    public static IEnumerable<string> Nvrtc(int driverVersion, IReadOnlyList<string> folders) => Candidates(driverVersion, folders,
        major => OperatingSystem.IsWindows() ? $"nvrtc64_{(major == 11 ? "112" : $"{major}0")}_0.dll" : $"libnvrtc.so.{(major == 11 ? "11.2" : $"{major}")}", "libnvrtc.so");

    /// <summary>As <see cref="Nvrtc"/>, of cuBLASLt.</summary>
    public static IEnumerable<string> CublasLt(int driverVersion, IReadOnlyList<string> folders) => Candidates(driverVersion, folders,
        major => OperatingSystem.IsWindows() ? $"cublasLt64_{major}.dll" : $"libcublasLt.so.{major}", "libcublasLt.so");

    /// <summary>Loads <paramref name="candidate"/>; 0 where it is not there.</summary>
    public static nint Load(string candidate) => NativeLibrary.TryLoad(candidate, out nint library) ? library : 0;

    /// <summary>"12.8" of 12080.</summary>
    public static string Text(int version) => string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}");

    private static IEnumerable<string> Candidates(int driverVersion, IReadOnlyList<string> folders, Func<int, string> nameOf, string unversioned)
    {
        string[] names = [.. Majors.Where(major => major <= driverVersion / 1000).Select(nameOf), .. OperatingSystem.IsWindows() ? [] : (string[])[unversioned]];
        string[] all = [.. folders, .. UsualFolders()];
        return names.SelectMany(name => folders.Select(f => Path.Combine(f, name)).Where(File.Exists)
            .Append(name)
            .Concat(all.Skip(folders.Count).Select(f => Path.Combine(f, name)).Where(File.Exists)));
    }

    private static IEnumerable<string> UsualFolders()
    {
        if (OperatingSystem.IsWindows())
        {
            string toolkits = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "NVIDIA GPU Computing Toolkit", "CUDA");
            return Below(toolkits, "v*").SelectMany(t => (string[])[Path.Combine(t, "bin", "x64"), Path.Combine(t, "bin")]);
        }
        return Below("/usr/local", "cuda*").Append("/opt/cuda").SelectMany(t => (string[])[Path.Combine(t, "lib64"), Path.Combine(t, "lib")]);
    }

    // Folders that match, the highest version first.
    private static IEnumerable<string> Below(string folder, string pattern)
    {
        try
        {
            return Directory.Exists(folder) ? Directory.GetDirectories(folder, pattern).OrderDescending(StringComparer.Ordinal) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
