using System.Diagnostics;
using Marrow.Formats.Conversion;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Conversion;

public sealed class OutputSafetyTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void NeverWritesOverWhatIsRead()
    {
        TinyModels.Llama(_folder["in"], 1, DType.F32);
        Refused("IO007", "in", "in");
        Refused("IO007", "in", "in/model.safetensors");
        Refused("IO007", "in/model.safetensors", ".");
        if (OperatingSystem.IsWindows())
            return;
        Directory.CreateSymbolicLink(_folder["link"], _folder["in"]);
        File.CreateSymbolicLink(_folder["alias.safetensors"], _folder["in/model.safetensors"]);
        Refused("IO007", "in", "link");
        Refused("IO007", "link", "in/model.safetensors");
        Refused("IO007", "in", "alias.safetensors");
    }

    [Fact]
    public void ReplacesOnlyWhenAllowedAndOnlyAModel()
    {
        TinyModels.Llama(_folder["in"], 1, DType.F32);
        _folder.Put("out.safetensors", "old");
        Assert.Contains("overwritten", Refused("IO009", "in", "out.safetensors", overwrite: false), StringComparison.Ordinal);
        Write("in", "out.safetensors", overwrite: true);
        SafetensorsFile.Open(_folder["out.safetensors"]).Dispose();

        Directory.CreateDirectory(_folder["out"]);
        Write("in", "out", overwrite: false);
        Refused("IO009", "in", "out", overwrite: false);
        Write("in", "out", overwrite: true);
        Directory.CreateDirectory(_folder["out/thesis"]);
        Assert.Contains("'thesis'", Refused("IO009", "in", "out"), StringComparison.Ordinal);
        Directory.Delete(_folder["out/thesis"]);
        foreach (string other in new[] { "notes.txt", "other.gguf" })
        {
            _folder.Put($"out/{other}", "mine");
            Assert.Contains($"'{other}'", Refused("IO009", "in", "out"), StringComparison.Ordinal);
            File.Delete(_folder["out", other]);
        }
        _folder.Put("out/tokenizer.json", "{}");
        Write("in", "out", overwrite: true);
        Directory.CreateDirectory(_folder["documents"]);
        _folder.Put("documents/letter.txt", "dear");
        Refused("IO009", "in", "documents");
        _folder.Put("plain", "x");
        Refused("IO009", "in", "plain");
        Directory.CreateDirectory(_folder["folder.safetensors"]);
        Refused("IO009", "in", "folder.safetensors");
        Assert.Equal("dear", File.ReadAllText(_folder["documents/letter.txt"]));
    }

    [Theory]
    [InlineData("out")]
    [InlineData("out.safetensors")]
    public void AKillInTheMiddleLeavesNothingUnderTheName(string target)
    {
        TinyModels.Llama(_folder["in"], 1, DType.F32);
        using (Process child = Start($"exec dotnet \"$0\" convert \"$1\" \"$2\" halt", target))
        {
            Assert.Equal("halted", child.StandardOutput.ReadLine());
            child.Kill();
            child.WaitForExit();
        }
        Assert.False(Path.Exists(_folder[target]));
        Assert.Equal(2, Directory.GetFileSystemEntries(_folder.Path).Length);
        // The next one takes away what is left.
        Write("in", target, overwrite: false);
        Assert.Equal([_folder["in"], _folder[target]], Directory.GetFileSystemEntries(_folder.Path).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("out")]
    [InlineData("out.safetensors")]
    public void AFullDiskIsToldAndLeavesNothing(string target)
    {
        if (!OperatingSystem.IsLinux())
        {
            output.WriteLine("skipped: the shell of this system may not limit the size of files");
            return;
        }
        TinyModels.Llama(_folder["in"], 1, DType.F32, multiple: 32);
        // Files may have 16 KiB: writing more fails as on a full disk. The runtime's own mappings of code are files, too.
        using Process child = Start("trap '' XFSZ; ulimit -f 16; DOTNET_EnableWriteXorExecute=0 DOTNET_EnableDiagnostics=0 exec dotnet \"$0\" convert \"$1\" \"$2\"", target);
        string errors = child.StandardError.ReadToEnd();
        child.WaitForExit();
        Assert.True(child.ExitCode == 1, $"{child.ExitCode} {errors}");
        Assert.Contains("[IO008]", errors, StringComparison.Ordinal);
        Assert.Equal([_folder["in"]], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Theory]
    [InlineData("out", null)]
    [InlineData("out.safetensors", null)]
    [InlineData("out.gguf", null)]
    [InlineData("out.gguf", 2000L)]
    [InlineData("out.pth", null)]
    public void WhatFailsTheCheckDoesNotReplaceAnything(string target, long? part)
    {
        if (target.EndsWith(".pth", StringComparison.Ordinal))
        {
            using MemoryTensors rwkv = TinyModels.Rwkv(7, 1, DType.F32);
            PthWriter.Write(_folder["in.pth"], [.. rwkv.Tensors.Keys.Select(n => TensorToWrite.Copy(rwkv, n))]);
        }
        else
            TinyModels.Llama(_folder["in"], 1, DType.F32);
        using ModelFolder model = ModelFolder.Open(Directory.GetFileSystemEntries(_folder.Path).Single());
        string last = model.Tensors.Tensors.Keys.Single(n => n is "model.norm.weight" or "ln_out.weight");
        SourceModel unsteady = SourceModel.Of(model) with { Tensors = new Unsteady(model.Tensors, last) };
        ConversionOptions options = new() { Verify = true, Overwrite = true, MaxSplitBytes = part };
        Dictionary<string, byte[]> before = Files();
        FailsTheCheck(unsteady);
        Same(before, Files());
        ModelConversion.Write(_folder[target], ModelConversion.KindOf(target), SourceModel.Of(model), options);
        before = Files();
        FailsTheCheck(unsteady with { Name = "another" });
        Same(before, Files());

        void FailsTheCheck(SourceModel source)
        {
            MarrowException error = Assert.ThrowsAny<MarrowException>(() => ModelConversion.Write(_folder[target], ModelConversion.KindOf(target), source, options));
            Assert.Equal("CV006", error.Code);
            Assert.StartsWith($"{_folder[target]}: differs in tensor ", error.Message, StringComparison.Ordinal);
            Assert.Contains("at byte 0", error.Message, StringComparison.Ordinal);
        }

        Dictionary<string, byte[]> Files() => Directory.GetFiles(_folder.Path, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }).ToDictionary(f => f, File.ReadAllBytes);

        static void Same(Dictionary<string, byte[]> a, Dictionary<string, byte[]> b)
        {
            Assert.Equal(a.Keys.Order(StringComparer.Ordinal), b.Keys.Order(StringComparer.Ordinal));
            Assert.All(a, f => Assert.Equal(f.Value, b[f.Key]));
        }
    }

    [Fact]
    public void ASplitModelIsReplacedWithAllItsParts()
    {
        TinyModels.Llama(_folder["in"], 1, DType.F32);
        Directory.CreateDirectory(_folder["out"]);
        string[] others = ["out/s-00001-of-00002.safetensors", "out/s-1-of-2.gguf", "out/st-00001-of-00002.gguf", "out/s-00001-of-00002.gguf.txt"];
        foreach (string other in others)
            _folder.Put(other, "mine");
        Assert.InRange(Write(2000).Files.Count, 4, 99);
        ConversionReport fewer = Write(6000, overwrite: true);
        Assert.InRange(fewer.Files.Count, 2, 3);
        Assert.Contains("are removed: s-00001-of-", Assert.Single(fewer.Warnings, w => w.Contains("removed", StringComparison.Ordinal)), StringComparison.Ordinal);
        Only(fewer);
        Only(Write(1 << 30, overwrite: true));
        ConversionReport again = Write(2000, overwrite: true);
        Only(again);
        // Without being asked for, nothing is replaced and nothing removed.
        Assert.Equal("IO009", Assert.ThrowsAny<MarrowException>(() => Write(6000)).Code);
        Only(again);

        ConversionReport Write(long part, bool overwrite = false)
        {
            using ModelFolder model = ModelFolder.Open(_folder["in"]);
            return ModelConversion.Write(_folder["out/s.gguf"], ModelKind.Gguf, SourceModel.Of(model), new() { MaxSplitBytes = part, Overwrite = overwrite, Verify = true });
        }

        void Only(ConversionReport report) => Assert.Equal(report.Files.Concat(others.Select(o => _folder[o])).Order(StringComparer.Ordinal), Directory.GetFiles(_folder["out"]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void NoKillLeavesPartsOfTwoModelsAsOne()
    {
        _folder.Put("a", "old a");
        _folder.Put("b", "old b");
        // A renaming fails, as if the program had been killed then.
        FileToWrite[] files = [.. new[] { "a", "c", "b" }.Select(n => new FileToWrite(_folder[n], s => s.Write("new"u8), 0))];
        Assert.ThrowsAny<MarrowException>(() => AtomicFile.WriteAll(files, _ => Directory.CreateDirectory(_folder["c"])));
        Assert.Equal("new", File.ReadAllText(_folder["a"]));
        Assert.False(File.Exists(_folder["b"]));
    }

    /// <summary>A tensor is another one every second time it is read.</summary>
    private sealed class Unsteady(ITensorSource source, string tensor) : ITensorSource
    {
        private int _reads;

        public string Path => source.Path;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public IReadOnlyDictionary<string, string> Metadata => source.Metadata;

        public void Read(string name, long byteOffset, Span<byte> destination)
        {
            source.Read(name, byteOffset, destination);
            if (name == tensor && _reads++ % 2 == 1)
                destination[0] ^= 1;
        }

        public void Dispose()
        {
        }
    }

    [Fact]
    public void ALargeFileIsWhatWasWritten()
    {
        byte[] piece = new byte[1_000_003];
        new Random(5).NextBytes(piece);
        AtomicFile.Write(_folder["large"], stream =>
        {
            for (int i = 0; i < 70; i++)
                stream.Write(piece);
            Assert.Equal(70 * piece.Length, stream.Position);
        }, EarlyWriteback.Least);
        using FileStream written = File.OpenRead(_folder["large"]);
        byte[] there = new byte[piece.Length];
        for (int i = 0; i < 70; i++)
        {
            written.ReadExactly(there);
            Assert.True(there.AsSpan().SequenceEqual(piece));
        }
        Assert.Equal(written.Length, written.Position);
    }

    [Fact]
    public void NamesAreOrderedByTheirNumbers()
    {
        string[] ordered = ["blk.0.a", "blk.1.a", "blk.02.a", "blk.2.b", "blk.10.a", "blk.a", "blka", "w", "w1", "w1.x", "w12345678901234567890", "w12345678901234567891"];
        Assert.Equal(ordered, ordered.Reverse().Order(NaturalOrder.Instance));
        Assert.NotEqual(0, NaturalOrder.Instance.Compare("a01", "a1"));
    }

    private Process Start(string script, string target)
    {
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in new[] { "-c", script, Path.Combine(AppContext.BaseDirectory, "Marrow.Formats.Tests.dll"), _folder["in"], _folder[target] })
            start.ArgumentList.Add(arg);
        return Process.Start(start)!;
    }

    private string Refused(string code, string from, string to, bool overwrite = true)
    {
        MarrowException error = Assert.ThrowsAny<MarrowException>(() => Write(from, to, overwrite));
        Assert.Equal(code, error.Code);
        return error.Message;
    }

    private void Write(string from, string to, bool overwrite)
    {
        using ModelFolder model = ModelFolder.Open(_folder[from]);
        ModelConversion.Write(_folder[to], ModelConversion.KindOf(to), SourceModel.Of(model), new() { Overwrite = overwrite });
    }
}
