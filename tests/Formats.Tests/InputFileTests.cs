using System.Diagnostics;
using System.Text;

namespace Marrow.Formats.Tests;

public sealed class InputFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void NamesWhatStandsInTheFilesPlace()
    {
        Assert.Equal("IO001", Code(_folder.Path));
        Assert.Equal("IO002", Code(_folder.Put("empty", "")));
        Assert.Equal("IO003", Code(_folder["absent"]));
        Assert.Equal("IO003", Code("a\0b"));
        Assert.Equal("IO004", Code(_folder.Put("lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")));
        Assert.Equal("IO006", Code(_folder.Put("page", "\n<!doctype HTML><title>x")));
    }

    [Fact]
    public void PipeAndDeviceAreNotOpened()
    {
        if (!OperatingSystem.IsLinux())
            return;
        using (Process make = Process.Start("mkfifo", _folder["pipe"]))
            make.WaitForExit();
        Assert.Equal("IO002", Code(_folder["pipe"]));
        Assert.Equal("IO002", Code("/dev/zero"));
    }

    [Fact]
    public void FollowsLinksAndHashesTheContent()
    {
        string target = _folder.Put("blob", new string('a', 1000));
        File.CreateSymbolicLink(_folder["middle"], target);
        File.CreateSymbolicLink(_folder["link"], _folder["middle"]);
        Assert.Equal(1000, InputFile.LengthOf(_folder["link"]));
        // SHA-256 of 1000 times "a", from sha256sum.
        Assert.Equal(new FileHash("link", 1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"), FileHash.Of(_folder["link"]));
    }

    [Fact]
    public void FollowsLinksThatAreNamedWithoutFolder()
    {
        string target = $"target-{Guid.NewGuid():N}", link = $"link-{Guid.NewGuid():N}";
        File.WriteAllText(target, "content");
        try
        {
            File.CreateSymbolicLink(link, target);
            Assert.Equal(7, InputFile.LengthOf(link));
            Assert.Equal("content"u8, InputFile.ReadAll(link));
        }
        finally
        {
            File.Delete(link);
            File.Delete(target);
        }
    }

    [Fact]
    public void EchoedNamesAreEscapedAndCapped()
    {
        Assert.Equal("a\\u001B[31m\\u202E\\uD800é😀", Echo.Name("a\u001b[31m\u202e\ud800é😀"));
        Assert.Equal(new string('x', 120) + "…", Echo.Name(new string('x', 100_000)));
    }

    [Fact]
    public void NearNamesAreFound()
    {
        Assert.Equal(["model.norm.weight"], NearNames.Of("model.norm.wieght", ["lm_head.weight", "model.norm.weight", "x"]));
        Assert.Empty(NearNames.Of("zzz", ["model.norm.weight"]));
        Assert.Equal("", NearNames.Hint("zzz", []));
    }

    private static string Code(string path) => Assert.Throws<ModelFileException>(() => InputFile.ReadAll(path)).Code;
}
