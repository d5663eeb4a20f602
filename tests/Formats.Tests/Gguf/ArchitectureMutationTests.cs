using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Tests.Rwkv;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Damage in the metadata and tensor descriptions of a model gives a model or a <see cref="MarrowException"/>, soon and in little memory.</summary>
public sealed class ArchitectureMutationTests(ITestOutputHelper output) : IDisposable
{
    private const int Rounds = 1500, Seed = 11;

    private static readonly TimeSpan Most = TimeSpan.FromSeconds(20);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Mutated_models()
    {
        LlamaConfig llama = TinyModels.Config("llama", layers: 1) with { RopeScaling = new RopeScaling.Llama3(8, 1, 4, 64) };
        LlamaConfig gemma = TinyModels.Config("gemma3_text", layers: 1) with { Windows = [null] };
        using MemoryTensors first = TinyModels.Official(llama, DType.Q8_0), second = TinyModels.Official(gemma), third = TinyModels.OfficialRwkv(7, layers: 1), fourth = TinyModels.OfficialRwkv(6, layers: 1);
        byte[][] files = [Written(first, llama), Written(second, gemma), Written(third, RwkvConfig.Of(third)), Written(fourth, RwkvConfig.Of(fourth) with { RescaleEvery = 1 })];
        using ParserCheck check = new(output, "mutant.gguf", Use);
        check.Mutate(files, Seed, Rounds, head: 1800, most: Most);
        Assert.InRange(check.Refused, check.Count / 4, check.Count);
    }

    private byte[] Written(ITensorSource official, ModelConfig config)
    {
        TinyModels.ThroughFile(_folder["m.gguf"], official, config).Official.Dispose();
        return File.ReadAllBytes(_folder["m.gguf"]);
    }

    /// <summary>Reads both ends of every tensor, and shows the model as a file again.</summary>
    private static void Use(string path)
    {
        using ModelFolder model = ModelFolder.Open(path);
        ReadEnds(model.Tensors);
        if (model.Config is LlamaConfig llama)
            llama.ToJson();
        GgufArchitecture architecture = GgufArchitectures.For(model.Config);
        architecture.Describe(model.Config, new Formats.Gguf.GgufMetadata("again"));
        ReadEnds(architecture.ToGguf(model.Tensors, model.Config));
    }

    private static void ReadEnds(ITensorSource source)
    {
        foreach (TensorInfo tensor in source.Tensors.Values)
        {
            Assert.Equal(tensor.ByteLength, tensor.DType.Bytes(tensor.Count));
            source.Read(tensor.Name, 0, new byte[Math.Min(tensor.ByteLength, 300)]);
            source.Read(tensor.Name, tensor.ByteLength - 1, new byte[1]);
        }
    }
}
