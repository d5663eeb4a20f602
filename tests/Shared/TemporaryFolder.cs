namespace Marrow.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private const string Memory = "/dev/shm";

    public TemporaryFolder(string? under = null) =>
        Path = under is null ? Directory.CreateTempSubdirectory("marrow-").FullName : Directory.CreateDirectory(System.IO.Path.Combine(under, "marrow-" + System.IO.Path.GetRandomFileName())).FullName;

    /// <summary>Where the system keeps files in memory; null where there is no such place.</summary>
    public static string? InMemory => Directory.Exists(Memory) ? Memory : null;

    public string Path { get; }

    public string this[params string[] parts] => System.IO.Path.Combine([Path, .. parts]);

    public string Put(string name, byte[] content)
    {
        File.WriteAllBytes(this[name], content);
        return this[name];
    }

    public string Put(string name, string content)
    {
        File.WriteAllText(this[name], content);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
