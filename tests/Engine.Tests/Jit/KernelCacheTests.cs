using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine.Tests.Jit;

public sealed class KernelCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _notices = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WhatIsStoredIsFoundUnderTheSameTextOptionsAndDriverOnly()
    {
        KernelCache cache = Make();
        cache.Store("text", "options", "driver", [1, 2, 3]);
        Assert.Equal([1, 2, 3], Make().Find("text", "options", "driver"));
        Assert.Null(cache.Find("text2", "options", "driver"));
        Assert.Null(cache.Find("text", "options2", "driver"));
        Assert.Null(cache.Find("text", "options", "driver2"));
        Assert.Null(cache.Find("texto", "ptions", "driver"));
        cache.Remove("text", "options", "driver");
        Assert.Null(cache.Find("text", "options", "driver"));
        Assert.Empty(_notices);
    }

    [Fact]
    public void ADamagedFileIsAbsentAndGoesAway()
    {
        KernelCache cache = Make();
        cache.Store("a", "", "", [.. Enumerable.Range(0, 200).Select(i => (byte)i)]);
        string file = Assert.Single(Files());
        byte[] whole = File.ReadAllBytes(file);
        foreach (int cut in new[] { 0, 7, 8, 20, 47, 48, whole.Length - 1 })
        {
            File.WriteAllBytes(file, whole[..cut]);
            Assert.Null(cache.Find("a", "", ""));
            Assert.False(File.Exists(file));
        }
        for (int place = 0; place < whole.Length; place += 5)
        {
            byte[] changed = [.. whole];
            changed[place] ^= 0x10;
            File.WriteAllBytes(file, changed);
            Assert.Null(cache.Find("a", "", ""));
            Assert.False(File.Exists(file));
        }
        File.WriteAllBytes(file, [.. whole, 0]);
        Assert.Null(cache.Find("a", "", ""));
        File.WriteAllBytes(file, whole);
        Assert.Equal(200, cache.Find("a", "", "")!.Length);
    }

    [Fact]
    public void WhatWasNotUsedForLongestGoesFirst()
    {
        KernelCache cache = Make(capacity: 5_000);
        byte[] binary = new byte[1_000];
        for (int i = 0; i < 4; i++)
        {
            cache.Store($"{i}", "", "", binary);
            // Times of files are set apart by hand, since a file system's clock may be coarse.
            foreach (string file in Files())
                File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file).AddHours(-1));
        }
        Assert.NotNull(cache.Find("0", "", ""));
        cache.Store("4", "", "", binary);
        Assert.Equal(["0", "2", "3", "4"], Enumerable.Range(0, 5).Select(i => $"{i}").Where(t => cache.Find(t, "", "") is not null));
        cache.Store("huge", "", "", new byte[5_000]);
        Assert.Null(cache.Find("huge", "", ""));
        Assert.Equal(4, Files().Length);
        Assert.Empty(_notices);
    }

    [Fact]
    public void WhatAKilledProcessLeftIsCleared()
    {
        KernelCache cache = Make();
        Directory.CreateDirectory(_folder["cache"]);
        File.WriteAllText(_folder["cache", ".old.tmp"], "");
        File.WriteAllText(_folder["cache", ".new.tmp"], "");
        File.SetLastWriteTimeUtc(_folder["cache", ".old.tmp"], DateTime.UtcNow.AddHours(-3));
        cache.Store("a", "", "", [1]);
        Assert.False(File.Exists(_folder["cache", ".old.tmp"]));
        Assert.True(File.Exists(_folder["cache", ".new.tmp"]));
    }

    [Fact]
    public void AFolderThatCannotBeWrittenIsToldOnce()
    {
        File.WriteAllText(_folder["cache"], "a file, not a folder");
        KernelCache cache = Make();
        cache.Store("a", "", "", [1]);
        cache.Store("b", "", "", [1]);
        Assert.Null(cache.Find("a", "", ""));
        string notice = Assert.Single(_notices);
        Assert.Contains(_folder["cache"], notice, StringComparison.Ordinal);
    }

    [Fact]
    public void ManyWritersAndReadersNeverSeeHalfAFile()
    {
        byte[][] binaries = [.. Enumerable.Range(0, 8).Select(i => Enumerable.Repeat((byte)i, 20_000).ToArray())];
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            KernelCache cache = KernelCache.For(new DeviceOptions { KernelCache = _folder["cache"], KernelCacheBytes = 90_000 })!;
            byte[] binary = binaries[i % 8];
            if (cache.Find($"{i % 8}", "", "") is { } found)
                Assert.Equal(binary, found);
            else
                cache.Store($"{i % 8}", "", "", binary);
        });
        Assert.All(Files(), f => Assert.Equal(".kernel", Path.GetExtension(f)));
    }

    [Fact]
    public void NoFolderMeansNoCache() => Assert.Null(KernelCache.For(new DeviceOptions()));

    [Fact]
    public void DumpsOfVariantsStandSideBySide()
    {
        var dump = new KernelDump(_folder["dump"], "cl");
        foreach ((string entry, string source) in new[] { ("a", "1"), ("b", "2"), ("a", "3") })
            dump.Write(new KernelText(entry, source, 64, []));
        Assert.Equal(["a.2.cl=3", "a.cl=1", "b.cl=2"],
            Directory.GetFiles(_folder["dump"]).Select(f => $"{Path.GetFileName(f)}={File.ReadAllText(f)}").Order(StringComparer.Ordinal));
    }

    private KernelCache Make(long capacity = 1 << 20) =>
        KernelCache.For(new DeviceOptions { KernelCache = _folder["cache"], KernelCacheBytes = capacity, Notice = _notices.Add })!;

    private string[] Files() => Directory.GetFiles(_folder["cache"]);
}
