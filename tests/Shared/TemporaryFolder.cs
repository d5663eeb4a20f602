namespace Marrow.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("marrow-").FullName;

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
