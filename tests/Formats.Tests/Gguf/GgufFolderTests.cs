using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.Gguf;

public sealed class GgufFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_a_folder_with_one_and_split_files_are_models()
    {
        LlamaConfig config = TinyModels.Config("llama");
        using MemoryTensors official = TinyModels.Official(config);
        string path = _folder["one/m.gguf"];
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        TinyModels.ThroughFile(path, official, config).Official.Dispose();
        Check(path, 1);
        Check(_folder["one"], 1);
        // Whatever the name says, the file begins as GGUF files do.
        File.Copy(path, _folder["blob"]);
        Check(_folder["blob"], 1);

        GgufArchitecture architecture = GgufArchitectures.For(config);
        var values = new GgufMetadata("s");
        architecture.Describe(config, values);
        Directory.CreateDirectory(_folder["many"]);
        ITensorSource stored = architecture.ToGguf(official, config);
        IReadOnlyList<string> files = GgufWriter.WriteSplit(_folder["many/s"], values, [.. stored.Tensors.Keys.Select(n => TensorToWrite.Copy(stored, n))], 20_000);
        Assert.True(files.Count > 1);
        Check(files[0], files.Count);
        Check(_folder["many"], files.Count);

        void Check(string given, int count)
        {
            using ModelFolder model = ModelFolder.Open(given);
            Assert.Equal(config.ToJson(), ((LlamaConfig)model.Config).ToJson());
            TinyModels.AssertSame(official, model.Tensors);
            Assert.Equal("llama", model.Gguf!.Values.Text("general.architecture"));
            Assert.Equal(count, model.WeightFiles.Count);
            Assert.Null(model.ConfigFile);
            Assert.Equal(count, model.HashWeights().Count);
        }
    }

    [Fact]
    public void A_config_beside_a_gguf_file_does_not_matter_and_safetensors_win()
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(7);
        TinyModels.ThroughFile(_folder["m.gguf"], official, RwkvConfig.Of(official)).Official.Dispose();
        _folder.Put("config.json", """{"model_type":"nothing we know"}""");
        using (ModelFolder model = ModelFolder.Open(_folder.Path))
        {
            Assert.Equal("rwkv7", model.Config.ModelType);
            TinyModels.AssertSame(official, model.Tensors);
        }
        _folder.Put("config.json", TinyModels.Config("qwen3").ToJson());
        SafetensorsWriter.WriteModel(_folder.Path, [TensorToWrite.FromFloats("a", [9], new float[9])]);
        using (ModelFolder model = ModelFolder.Open(_folder.Path))
            Assert.Equal(("qwen3", null), (model.Config.ModelType, model.Gguf));
    }

    [Fact]
    public void Several_are_to_be_chosen_from_and_another_architecture_is_refused()
    {
        var values = new GgufMetadata("x");
        values.Set("general.architecture", "phi3");
        GgufWriter.Write(_folder["a.gguf"], values, [TensorToWrite.FromFloats("t", [3], new float[3])]);
        ArchitectureConfigTests.Refused("GA001", "'phi3' is not supported", () => ModelFolder.Open(_folder["a.gguf"]));
        // What could not be opened is not held open.
        File.Move(_folder["a.gguf"], _folder["c.gguf"]);
        File.Copy(_folder["c.gguf"], _folder["b.gguf"]);
        ArchitectureConfigTests.Refused("HF014", "b.gguf, c.gguf", () => ModelFolder.Open(_folder.Path));
    }
}
