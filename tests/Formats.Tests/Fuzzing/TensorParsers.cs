using System.Buffers.Binary;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Gguf;
using Marrow.Formats.Tests.HuggingFace;
using Marrow.Formats.Tests.PyTorch;
using Marrow.Formats.Tests.Rwkv;
using Marrow.Formats.Tests.RwkvCpp;
using Marrow.Formats.Tests.Safetensors;

namespace Marrow.Formats.Tests.Fuzzing;

/// <summary>Safetensors, torch's files, and folders of models.</summary>
internal static class TensorParsers
{
    private static readonly string[] JsonWords = ["\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "\"F4\"", "\"BF16\"", "\"weight_map\"", "\"metadata\"", "null", "\"model_type\"", "\"quantization_config\""];

    public static FuzzTarget[] All { get; } =
    [
        new("safetensors file", () => [.. SafetensorsFiles()], path => Use(SafetensorsFile.Open(path))) { Head = 250, Words = JsonWords },
        new("safetensors header", () => [.. SafetensorsFiles().Select(s => new FuzzSeed(("a.safetensors", HeaderOf(s.Files[0].Content))))], path => Use(SafetensorsFile.Open(path))) { Words = JsonWords, Wrap = header => RawSafetensors.Of(header, new byte[DataBytes(header)]) },
        new("rwkv model", () => [RwkvHeader(7), RwkvHeader(6)], Reading.Model) { Words = [.. JsonWords, "\"blocks.1.att.v1\"", "\"blocks.0.att.time_maa_w1\""], Wrap = header => RawSafetensors.Of(header, new byte[DataBytes(header)]) },
        new("safetensors shards", () => [Shards()], path => Use(SafetensorsFolder.Open(path))) { TakesFolder = true, Head = 200, Words = JsonWords },
        new("model folder", () => [.. ModelFolders()], Reading.Model) { TakesFolder = true, Head = 1500, Words = JsonWords },
        new("bitsandbytes folder", () => [NF4(nested: false), NF4(nested: true)], Reading.Model) { TakesFolder = true, Head = 1500, Words = JsonWords },
        new("config.json", () => [.. Configs()], UseConfig) { Words = ["\"rope_scaling\"", "\"llama3\"", "\"yarn\"", "\"sliding_window\"", "\"layer_types\"", "\"rwkv7\"", "\"gemma3_text\"", "\"factor\"", "null"] },
        new("generation_config.json", () => [FuzzSeed.Text(("generation_config.json", """{"eos_token_id": [2, 7], "do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_new_tokens": 100, "repetition_penalty": 1.1}"""))],
            path => _ = GenerationConfig.Read(path).EosIds) { Words = ["\"eos_token_id\"", "null"] },
        new("pth archive", () => [Archive(), Plain()], UsePth),
        new("pth pickle", () => [new(("m.pth", Pickle))], UsePth) { Wrap = pickle => RawZip.Of(RawZip.Checkpoint(pickle, ("0", new byte[24]), ("1", new byte[16]))) },
        new("pth before 1.6", () => [Legacy()], UsePth),
        new("rwkv.cpp model", () => [RwkvCpp(7), RwkvCpp(6)], Reading.Model) { Head = 1000 },
        new("rwkv .pth model", () => [RwkvPth(7), RwkvPth(6)], Reading.Model) { Head = 3000 },
    ];

    public static LlamaConfig SmallConfig(string type) => TinyModels.Config(type, heads: 2, keyHeads: 1, headDim: 2, hidden: 4, layers: 1);

    private static void Use(ITensorSource source)
    {
        using (source)
            Reading.Tensors(source);
    }

    private static void UseConfig(string path) => Assert.True(ModelConfigFile.Read(path) is not LlamaConfig { HeadDim: var size } || size % 2 == 0);

    private static void UsePth(string path) => Use(PthFile.Open(path));

    private static IEnumerable<FuzzSeed> SafetensorsFiles()
    {
        yield return FuzzSeed.Written(f => SafetensorsWriter.Write(f["a.safetensors"],
            [TensorToWrite.FromFloats("model.a", [2, 3], new float[6]), TensorToWrite.FromFloats("model.b", [5], new float[5], DType.BF16), TensorToWrite.FromInt64s("c", [], new long[1])],
            new Dictionary<string, string> { ["k"] = "é", ["format"] = "pt" }));
        yield return new(("a.safetensors", RawSafetensors.Of("""{"b":{"dtype":"I32","shape":[0],"data_offsets":[4,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"c":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}""", 5)));
        yield return new(("a.safetensors", RawSafetensors.Of("""{"x":{"dtype":"F4","shape":[2,2],"data_offsets":[0,2]},"y":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[2,5]},"z":{"dtype":"F8_E4M3","shape":[1,3],"data_offsets":[5,8]}}  """, 8)));
    }

    private static FuzzSeed Shards() => FuzzSeed.Written(f => SafetensorsWriter.WriteModel(f.Path,
        Enumerable.Range(0, 3).Select(i => TensorToWrite.FromFloats($"t{i}", [5], new float[] { i, 1, 2, 3, 4 })), maxShardBytes: 40), SafetensorsFolder.IndexFile);

    private static byte[] HeaderOf(byte[] file) => file[8..(8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(file))];

    /// <summary>As many bytes as the last offset of a header asks for, so that damage elsewhere is seen.</summary>
    private static int DataBytes(byte[] header)
    {
        int most = 0;
        for (int i = 0; i < header.Length; i++)
        {
            if (header[i] != ',' || i + 1 == header.Length || !char.IsAsciiDigit((char)header[i + 1]))
                continue;
            long value = 0;
            int end = i + 1;
            while (end < header.Length && char.IsAsciiDigit((char)header[end]) && value < MostData)
                value = value * 10 + header[end++] - '0';
            if (end < header.Length && header[end] == ']' && value < MostData && end + 1 < header.Length && header[end + 1] == '}')
                most = Math.Max(most, (int)value);
        }
        return most;
    }

    private const int MostData = 100_000;

    private static FuzzSeed RwkvHeader(int version)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(version, channels: 4, heads: 2, layers: 2);
        FuzzSeed file = FuzzSeed.Written(f => SafetensorsWriter.Write(f["m.safetensors"], [.. official.Tensors.Keys.Select(n => TensorToWrite.Copy(official, n))]));
        return new(("m.safetensors", HeaderOf(file.Files[0].Content)));
    }

    private static IEnumerable<FuzzSeed> ModelFolders()
    {
        foreach (string type in (string[])["llama", "qwen3"])
        {
            LlamaConfig config = SmallConfig(type);
            yield return Folder(config.ToJson(), TinyModels.Official(config, DType.BF16));
        }
        using MemoryTensors official = TinyModels.OfficialRwkv(7, channels: 8, heads: 2, layers: 2);
        yield return Folder("""{"model_type":"rwkv7","vocab_size":7,"hidden_size":8,"num_hidden_layers":2,"norm_eps":1e-05,"eos_token_id":0}""", MemoryTensors.Of(FlaWriter.Tensors(official, RwkvNaming.Fla7)));
    }

    private static FuzzSeed Folder(string config, MemoryTensors tensors) => FuzzSeed.Written(f =>
    {
        f.Put("config.json", config);
        SafetensorsWriter.WriteModel(f.Path, [.. tensors.Tensors.Keys.Select(n => TensorToWrite.Copy(tensors, n))]);
    }, "config.json");

    private static FuzzSeed NF4(bool nested)
    {
        var config = new LlamaConfig { ModelType = "llama", VocabularySize = 4, HiddenSize = 64, IntermediateSize = 64, LayerCount = 1, HeadCount = 1, KeyValueHeadCount = 1, HeadDim = 64, MaxPositions = 8 };
        return Folder(config.ToJson().Insert(1, BitsAndBytesTests.Quantisation("bitsandbytes", "nf4") + ","), BitsAndBytesTests.Stored(nested, out _));
    }

    private static IEnumerable<FuzzSeed> Configs()
    {
        foreach (string type in TinyModels.Families)
            yield return FuzzSeed.Text(("config.json", TinyModels.Config(type).ToJson()));
        yield return FuzzSeed.Text(("config.json", """
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
             "vocab_size": 256, "max_position_embeddings": 1024, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "hidden_act": "silu",
             "bos_token_id": 1, "eos_token_id": [2, 3], "attention_bias": false, "sliding_window": null, "head_dim": 16,
             "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}}
            """));
        yield return FuzzSeed.Text(("config.json", """{"model_type":"rwkv6","vocab_size":7,"hidden_size":8,"num_hidden_layers":2,"rescale_every":6,"layer_norm_epsilon":1e-05,"bos_token_id":0,"eos_token_id":[0]}"""));
    }

    private static byte[] Pickle => RawPickle.Start().Op('}').Op('(').Text("a").Tensor().Text("b").Tensor("0", sizes: [3, 2], strides: [1, 3])
        .Text("c").Global("torch._utils", "_rebuild_parameter").Op('(').Tensor("1", "LongStorage", 2, sizes: [2], strides: [1]).Op(0x88).OrderedDict().Op('t').Op('R')
        .Text("n").Op('(').Int(-7).Op((byte)'G', 0, 0, 0, 0, 0, 0, 0, 0).Op((byte)'C', 1, 9).Op(0x8F).Op(')').Op('t').Op((byte)'q', 3).Op('u').Stop();

    private static FuzzSeed Archive()
    {
        byte[] file = RawZip.Of([.. RawZip.Checkpoint(Pickle, ("0", new byte[24])), RawEntry.Deflated("t/data/1", new byte[16]), new("t/byteorder", "little"u8.ToArray())]);
        int directory = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(file.Length - 6));
        return new(("m.pth", RawZip.With64(file, 5, (ulong)(file.Length - 22 - directory), (ulong)directory)));
    }

    private static FuzzSeed Plain() => FuzzSeed.Written(f => PthWriter.Write(f["m.pth"], [TensorToWrite.FromFloats("a.weight", [2, 3], new float[6]), TensorToWrite.FromFloats("b", [], new float[1], DType.F16)]));

    private static FuzzSeed Legacy() => new(("m.pth", PthMalformedTests.Legacy(value: Pickle, keys: PthMalformedTests.Keys("1", "0"),
        data: [2, 0, 0, 0, 0, 0, 0, 0, .. new byte[16], 6, 0, 0, 0, 0, 0, 0, 0, .. new byte[24]])));

    private static FuzzSeed RwkvCpp(int version)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(version, channels: 8, heads: 2, layers: 2);
        return new(("m.bin", RwkvCppFileTests.Stored(official, version).Bytes()));
    }

    private static FuzzSeed RwkvPth(int version)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(version, channels: 4, heads: 2, layers: 2);
        return FuzzSeed.Written(f => PthWriter.Write(f["m.pth"], [.. official.Tensors.Keys.Select(n => TensorToWrite.Copy(official, n))]));
    }
}
