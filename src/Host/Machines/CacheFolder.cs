namespace Marrow.Host.Machines;

/// <summary>The folder of what can be made again: compiled kernels and tuned choices.</summary>
internal static class CacheFolder
{
    /// <summary>MARROW_CACHE where it is set; else "marrow" in the user's cache folder.</summary>
    public static string Path { get; } = Environment.GetEnvironmentVariable("MARROW_CACHE") is { Length: > 0 } own ? System.IO.Path.GetFullPath(own)
        : System.IO.Path.Combine(OfUser(), "marrow");

    private static string OfUser()
    {
        if (OperatingSystem.IsWindows())
            return Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } known ? known : System.IO.Path.GetTempPath();
        if (OperatingSystem.IsMacOS())
            return System.IO.Path.Combine(home, "Library", "Caches");
        return Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache : System.IO.Path.Combine(home, ".cache");
    }
}
