using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Tests.Gguf;
using Marrow.Formats.Tests.Rwkv;
using Marrow.Formats.Tests.Tokenizers;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Tests.Fuzzing;

/// <summary>GGUF: the container, its tokenizers, and models in it.</summary>
internal static class GgufParsers
{
    public static FuzzTarget[] All { get; } =
    [
        new("gguf file", () => [.. Files().Select(f => new FuzzSeed(("m.gguf", f)))], UseFile) { Head = 300 },
        new("gguf split", () => [Split()], Use) { Head = 300 },
        new("gguf tokenizer", () => [.. Tokenizers()], UseTokenizer) { Head = 3000 },
        new("gguf model", () => [.. Models()], UseModel) { Head = 2500 },
    ];

    /// <summary>A vocabulary as GGUF, made of a folder's tokenizer.</summary>
    public static byte[] Vocabulary(Action<TemporaryFolder> write, int rows)
    {
        using var folder = new TemporaryFolder();
        write(folder);
        var values = new GgufMetadata("v.gguf");
        values.Set("general.architecture", "llama");
        GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), rows, values);
        GgufWriter.Write(folder["v.gguf"], values, []);
        return File.ReadAllBytes(folder["v.gguf"]);
    }

    public static byte[] ByteLevel() => Vocabulary(f => f.Put("tokenizer.json", TinyTokenizers.ByteLevel().ToJsonString()), 262);

    public static byte[] SentencePiece() => Vocabulary(f =>
    {
        f.Put("tokenizer.json", TinyTokenizers.SentencePiece().ToJsonString());
        f.Put("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}"}""");
    }, 270);

    public static byte[] World() => Vocabulary(f => f.Put("rwkv_vocab_v20230424.txt", TinyWorld.Lines), 301);

    /// <summary>Reads what a file holds; what is refused first must be among all its problems.</summary>
    public static void UseFile(string path)
    {
        try
        {
            Use(path);
        }
        catch (ModelFileException e)
        {
            Assert.Contains(e.Message, GgufFile.Examine(path).Select(p => p.Message));
            throw;
        }
        Assert.Empty(GgufFile.Examine(path));
    }

    private static IEnumerable<byte[]> Files() =>
    [
        Gguf.GgufMalformedTests.Small(),
        new RawGguf { Version = 2, Data = 2 * 144 }.Text("general.architecture", "rwkv7").Array("ids", (int)GgufType.I64, 2, new byte[16]).Pair("x", (int)GgufType.F64, new byte[8])
            .Tensor("blk.0.attn_q.weight", 12, 0, 256, 2).Bytes(),
        new RawGguf { Alignment = 64, Data = 320 }.Number("general.alignment", 64).Tensor("a", 30, 0, 2, 2, 2, 2).Tensor("b", 39, 64, 32).Tensor("c", 26, 128, 1).Tensor("d", 35, 192, 256).Bytes(),
        new RawGguf().Array("tokenizer.ggml.tokens", (int)GgufType.String, 3, [.. RawGguf.String("<s>"), .. RawGguf.String("</s>"), .. RawGguf.String("a")])
            .Array("tokenizer.ggml.token_type", (int)GgufType.I32, 3, new byte[12]).Array("bytes", (int)GgufType.U8, 5, 1, 2, 3, 4, 5).Bytes(),
    ];

    private static void Use(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        Reading.Tensors(file);
        Assert.Equal(file.Values.Values.Count, file.Metadata.Count);
    }

    private static void UseTokenizer(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        Reading.Tokenizer(GgufTokenizer.Read(file.Values));
    }

    /// <summary>Reads a model, and shows it as a file again.</summary>
    private static void UseModel(string path)
    {
        Reading.Model(path);
        using ModelFolder model = ModelFolder.Open(path);
        (model.Config as LlamaConfig)?.ToJson();
        GgufArchitecture architecture = GgufArchitectures.For(model.Config);
        architecture.Describe(model.Config, new GgufMetadata("again"));
        using ITensorSource again = architecture.ToGguf(model.Tensors, model.Config);
        Reading.Tensors(again);
    }

    private static FuzzSeed Split() => FuzzSeed.Written(f =>
    {
        var values = new GgufMetadata("m.gguf");
        values.Set("general.architecture", "llama");
        GgufWriter.WriteSplit(f["m"], values, [.. Enumerable.Range(0, 3).Select(i => TensorToWrite.FromFloats($"t{i}", [8], new float[8]))], 64);
    });

    private static IEnumerable<FuzzSeed> Tokenizers() => [new(("v.gguf", ByteLevel())), new(("v.gguf", SentencePiece())), new(("v.gguf", World()))];

    private static IEnumerable<FuzzSeed> Models()
    {
        foreach (string type in (string[])["llama", "qwen2", "gemma2", "gemma3_text"])
        {
            LlamaConfig config = TensorParsers.SmallConfig(type);
            yield return Model(TinyModels.Official(config), config);
        }
        LlamaConfig blocks = TinyModels.Config("llama", heads: 2, keyHeads: 1, headDim: 16, layers: 1) with { RopeScaling = new RopeScaling.Llama3(8, 1, 4, 64) };
        yield return Model(TinyModels.Official(blocks, DType.Q8_0), blocks);
        foreach (int version in (int[])[6, 7])
        {
            MemoryTensors official = TinyModels.OfficialRwkv(version, channels: 8, heads: 2, layers: 2);
            RwkvConfig config = RwkvConfig.Of(official);
            yield return Model(official, version == 6 ? config with { RescaleEvery = 1 } : config);
        }
    }

    private static FuzzSeed Model(MemoryTensors official, ModelConfig config) => FuzzSeed.Written(f =>
    {
        (_, ITensorSource shown, _) = TinyModels.ThroughFile(f["m.gguf"], official, config);
        shown.Dispose();
    });
}
