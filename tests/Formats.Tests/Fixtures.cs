using Xunit.Abstractions;

namespace Marrow.Formats.Tests;

/// <summary>Golden data beside the checkout, and scratch folders.</summary>
internal static class Fixtures
{
    /// <summary>The full path of a fixture, or null (with the reason written) where this machine has none.</summary>
    public static string? Find(ITestOutputHelper output, string relative)
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (!File.Exists(Path.Combine(at.FullName, "Engine.sln")))
                continue;
            string path = Path.GetFullPath(Path.Combine(at.FullName, "..", "shared", "fixtures", relative));
            if (Path.Exists(path))
                return path;
            output.WriteLine($"Skipped: {path} is not on this machine.");
            return null;
        }
        output.WriteLine("Skipped: no Engine.sln above the test folder.");
        return null;
    }
}
