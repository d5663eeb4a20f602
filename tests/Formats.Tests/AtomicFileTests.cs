namespace Marrow.Formats.Tests;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WritesAndReplacesText()
    {
        string path = _folder["a/b/note.txt"];
        AtomicFile.WriteText(path, "old, and rather longer");
        AtomicFile.WriteText(path, "naïve");
        Assert.Equal("naïve"u8.ToArray(), File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(_folder["a/b"]));
    }

    [Fact]
    public void FailureInTheMiddleKeepsTheOldFileAndLeavesNothing()
    {
        string path = _folder.Put("model", "old");
        Assert.Throws<FormatException>(() => AtomicFile.Write(path, stream =>
        {
            stream.Write(new byte[100_000]);
            throw new FormatException();
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void WhileWritingTheOldFileIsWholeAndTheTemporaryHasAnotherName()
    {
        string path = _folder.Put("model", "old");
        AtomicFile.Write(path, stream =>
        {
            stream.Write("new"u8);
            stream.Flush();
            // A kill here would leave exactly what is seen here.
            Assert.Equal("old", File.ReadAllText(path));
            string temporary = Assert.Single(Directory.GetFiles(_folder.Path), f => f != path);
            Assert.EndsWith(".tmp", temporary, StringComparison.Ordinal);
        });
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void TellsWhyAFileCannotBeWritten()
    {
        string file = _folder.Put("file", "x");
        Assert.Equal("IO008", Assert.Throws<MarrowException>(() => AtomicFile.WriteText(Path.Combine(file, "below"), "y")).Code);
        Assert.Equal("IO009", Assert.Throws<MarrowException>(() => AtomicFile.WriteText(_folder.Path, "y")).Code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void FolderIsReplacedWhole(bool exchange)
    {
        string path = _folder["adapter"];
        AtomicFolder.Write(path, f => { File.WriteAllText(Path.Combine(f, "old"), "1"); File.WriteAllText(Path.Combine(f, "both"), "1"); }, exchange);
        AtomicFolder.Write(path, f =>
        {
            Directory.CreateDirectory(Path.Combine(f, "sub"));
            File.WriteAllText(Path.Combine(f, "both"), "2");
            File.WriteAllText(Path.Combine(f, "sub", "new"), "2");
            Assert.Equal("1", File.ReadAllText(Path.Combine(path, "both")));
        }, exchange);
        Assert.Equal("2", File.ReadAllText(Path.Combine(path, "both")));
        Assert.Equal("2", File.ReadAllText(Path.Combine(path, "sub", "new")));
        Assert.False(File.Exists(Path.Combine(path, "old")));
        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void FailureKeepsTheOldFolderAndLeavesNothing()
    {
        string path = _folder["adapter"];
        AtomicFolder.Write(path, f => File.WriteAllText(Path.Combine(f, "a"), "1"));
        Assert.Throws<FormatException>(() => AtomicFolder.Write(path, f =>
        {
            File.WriteAllText(Path.Combine(f, "a"), "2");
            throw new FormatException();
        }));
        Assert.Equal("1", File.ReadAllText(Path.Combine(path, "a")));
        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void KillBetweenTheTwoRenamesIsRecovered()
    {
        // What a kill leaves where folders cannot be exchanged: the old one aside, the new one still under its temporary name.
        Directory.CreateDirectory(_folder[".step-7.old"]);
        File.WriteAllText(_folder[".step-7.old/a"], "old");
        Directory.CreateDirectory(_folder[$".step-7.{Guid.NewGuid():N}.tmp"]);
        string other = Directory.CreateDirectory(_folder[$".step-70.{Guid.NewGuid():N}.tmp"]).FullName;
        AtomicFolder.Recover(_folder["step-7"]);
        Assert.Equal("old", File.ReadAllText(_folder["step-7/a"]));
        AtomicFolder.Write(_folder["step-7"], f => File.WriteAllText(Path.Combine(f, "a"), "new"));
        Assert.Equal("new", File.ReadAllText(_folder["step-7/a"]));
        Assert.Equal([other, _folder["step-7"]], Directory.GetFileSystemEntries(_folder.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ExchangeLeavesNoMomentWithoutAFolder()
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
            return;
        string path = _folder["adapter"];
        AtomicFolder.Write(path, f => File.WriteAllText(Path.Combine(f, "a"), "0"));
        using CancellationTokenSource done = new();
        int absences = 0;
        Thread watcher = new(() =>
        {
            while (!done.IsCancellationRequested)
                if (!Directory.Exists(path))
                    absences++;
        });
        watcher.Start();
        for (int i = 1; i <= 50; i++)
            AtomicFolder.Write(path, f => File.WriteAllText(Path.Combine(f, "a"), $"{i}"));
        done.Cancel();
        watcher.Join();
        Assert.Equal(0, absences);
        Assert.Equal("50", File.ReadAllText(Path.Combine(path, "a")));
    }
}
