namespace Marrow.Tests;

/// <summary>The checkout that the tests run in.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string Find(string from)
    {
        for (DirectoryInfo? at = new(from); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Engine.sln")))
                return at.FullName;
        throw new DirectoryNotFoundException($"no Engine.sln above {from}");
    }
}
