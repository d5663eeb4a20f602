using Xunit.Abstractions;

namespace Marrow.Tests;

/// <summary>Finds the shared golden data beside the checkout.</summary>
internal static class Fixtures
{
    /// <summary>The path of a fixture; false, with the reason printed, where the shared data are absent.</summary>
    public static bool Find(ITestOutputHelper output, string name, out string path)
    {
        path = Path.GetFullPath(Repository.PathOf("..", "shared", "fixtures", name));
        bool found = File.Exists(path) || Directory.Exists(path);
        if (!found)
            output.WriteLine($"skipped: ../shared/fixtures/{name} is not beside this checkout");
        return found;
    }
}
