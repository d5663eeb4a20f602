using System.Diagnostics;
using System.Text;
using Marrow.Formats.Conversion;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Gguf;
using Marrow.Formats.Tests.PyTorch;
using Marrow.Formats.Tests.Safetensors;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 85 to 88: what stands in the place of any file, and where files are written.</summary>
internal static class AnyFileCases
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", Page = "\n<!DOCTYPE html><html></html>";

    private static readonly (string Kind, string File, Action<string> Open)[] Readers =
    [
        ("safetensors", "m.safetensors", path => SafetensorsFile.Open(path).Dispose()),
        ("gguf", "m.gguf", path => GgufFile.Open(path).Dispose()),
        ("pth", "m.pth", path => PthFile.Open(path).Dispose()),
        ("generation_config.json", "generation_config.json", path => GenerationConfig.Read(path)),
        ("tokenizer.json", "tokenizer.json", path => TokenizerJson.Load(path)),
        ("World vocabulary", "rwkv_vocab.txt", path => WorldVocabulary.Read(path)),
    ];

    public static IEnumerable<MalformedCase> All { get; } =
    [
        .. Readers.SelectMany(r => Stand(r.Kind, r.File, r.Open)),
        Cut("safetensors", "m.safetensors", RawSafetensors.Of("""{"a":{"dtype":"U8","shape":[9000],"data_offsets":[0,9000]}}""", 9000), path => SafetensorsFile.Open(path)),
        Cut("gguf", "m.gguf", new RawGguf { Data = 9216 }.Tensor("a", 0, 0, 2304).Bytes(), path => GgufFile.Open(path)),
        Cut("pth", "m.pth", RawZip.Of(RawZip.Checkpoint(RawPickle.Dict(p => p.Tensor(count: 2250, sizes: [2250], strides: [1])), ("0", new byte[9000]))), path => PthFile.Open(path)),
        Write("output is the input", "IO007", "in", overwrite: true),
        Write("output is a file of the input", "IO007", "in/model.safetensors", overwrite: true),
        Write("output holds the input", "IO007", ".", overwrite: true),
        Write("target exists", "IO009", "old.safetensors", overwrite: false),
        Write("a folder of something else", "IO009", "letters", overwrite: true),
        Write("no folder can be made there", "IO008", "old.safetensors/m.safetensors", overwrite: true),
        // No file system holds 2^62 bytes; the old file stays, and nothing beside it.
        new(88, "more than the disk holds", "IO008", "full", folder => folder.Put("full", "old"), path =>
        {
            MarrowException refused = Assert.Throws<MarrowException>(() => AtomicFile.Write(path, stream => stream.Write("new"u8), 1L << 62));
            Assert.Equal("old", File.ReadAllText(path));
            Assert.Single(Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!));
            throw refused;
        }),
    ];

    private static IEnumerable<MalformedCase> Stand(string kind, string file, Action<string> open)
    {
        yield return new(85, $"{kind}: a folder", "IO001", file, folder => Directory.CreateDirectory(folder[file]), open);
        yield return MalformedCase.Of(85, $"{kind}: an empty file", kind == "safetensors" ? "ST001" : "IO002", file, () => [], open);
        yield return new(85, $"{kind}: no file", "IO003", file, _ => { }, open);
        yield return MalformedCase.Of(85, $"{kind}: an LFS pointer", "IO004", file, () => Encoding.ASCII.GetBytes(Pointer), open);
        yield return MalformedCase.Of(87, $"{kind}: a web page", "IO006", file, () => Encoding.ASCII.GetBytes(Page), open);
        if (!OperatingSystem.IsLinux())
            yield break;
        string device = kind == "safetensors" ? "ST001" : "IO002";
        yield return new(85, $"{kind}: a pipe", device, file, folder => Process.Start("mkfifo", folder[file]).WaitForExit(), open);
        yield return new(85, $"{kind}: an endless device", device, file, folder => File.CreateSymbolicLink(folder[file], "/dev/zero"), open);
    }

    /// <summary>Cuts the file after it was opened.</summary>
    private static MalformedCase Cut(string kind, string file, byte[] sound, Func<string, ITensorSource> open) => MalformedCase.Of(86, $"{kind} cut between opening and reading", OperatingSystem.IsWindows() ? null : "IO005", file, () => sound, path =>
    {
        using ITensorSource source = open(path);
        // Windows does not let an open file be cut.
        if (!OperatingSystem.IsWindows())
            Process.Start("truncate", ["-s", "5000", path]).WaitForExit();
        TensorInfo tensor = source.Tensors.Values.Single();
        source.Read(tensor.Name, 0, new byte[tensor.ByteLength]);
    });

    private static MalformedCase Write(string what, string code, string target, bool overwrite) => new(88, what, code, target, folder =>
    {
        Tests.Conversion.TinyModels.Llama(folder["in"], 1, DType.F32);
        folder.Put("old.safetensors", "old");
        Directory.CreateDirectory(folder["letters"]);
        folder.Put("letters/letter.txt", "dear");
    }, path =>
    {
        string root = target == "." ? path : path[..^(target.Length + 1)];
        string[] before = Directory.GetFileSystemEntries(root);
        using ModelFolder model = ModelFolder.Open(Path.Combine(root, "in"));
        MarrowException refused = Assert.ThrowsAny<MarrowException>(() => ModelConversion.Write(path, ModelConversion.KindOf(path), SourceModel.Of(model), new() { Overwrite = overwrite }));
        Assert.Equal(before, Directory.GetFileSystemEntries(root));
        Assert.Equal("old", File.ReadAllText(Path.Combine(root, "old.safetensors")));
        throw refused;
    });
}
