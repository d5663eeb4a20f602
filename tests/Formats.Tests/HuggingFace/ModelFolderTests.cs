using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.HuggingFace;

public sealed class ModelFolderTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static readonly LlamaConfig Tiny = new()
    {
        ModelType = "llama", VocabularySize = 4, HiddenSize = 4, IntermediateSize = 4, LayerCount = 1,
        HeadCount = 1, KeyValueHeadCount = 1, HeadDim = 4, MaxPositions = 8,
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void OpensWhatWeWrote()
    {
        AtomicFile.WriteText(_folder["config.json"], Tiny.ToJson());
        _folder.Put("generation_config.json", """{"eos_token_id":[2,3],"temperature":0.7,"top_p":0.9,"top_k":50,"do_sample":true,"repetition_penalty":1.1,"max_new_tokens":20}""");
        _folder.Put("tokenizer.json", "{}");
        SafetensorsWriter.WriteModel(_folder.Path, [TensorToWrite.FromFloats("a", [9], new float[9]), TensorToWrite.FromFloats("b", [9], new float[9])], 40);
        using ModelFolder model = ModelFolder.Open(_folder.Path);
        Assert.Equal(8, model.Config.MaxPositions);
        Assert.Equal([2, 3], model.Generation!.EosIds);
        Assert.Equal((0.7, 0.9, 50, true, 1.1, 20), (model.Generation.Temperature, model.Generation.TopP, model.Generation.TopK,
            model.Generation.Sample, model.Generation.RepetitionPenalty, model.Generation.MaxNewTokens));
        Assert.Equal([_folder["tokenizer.json"]], model.Tokenizer.Present);
        Assert.Null(model.Tokenizer.SentencePiece);
        Assert.Equal(2, model.Tensors.Tensors.Count);

        IReadOnlyList<FileHash> hashes = model.HashWeights();
        Assert.Equal(["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], hashes.Select(h => h.Name));
        Assert.NotEqual(hashes[0].Sha256, hashes[1].Sha256);
        string content = ModelFolder.ContentHash(hashes);
        Assert.Equal(64, content.Length);
        Assert.Equal(content, ModelFolder.ContentHash(model.HashWeights()));
        Assert.NotEqual(content, ModelFolder.ContentHash(hashes.Take(1)));
    }

    [Fact]
    public void SaysWhatIsMissingAndWhatToDo()
    {
        Refused("HF013", "check the path", _folder["absent"]);
        Refused("HF001", "config.json is missing", _folder.Path);
        Refused("HF013", "give the folder of a model", _folder.Put("file", "x"));
        _folder.Put("adapter_config.json", "{}");
        Refused("HF001", "base model", _folder.Path);
        _folder.Put("config.json", "");
        Refused("IO002", "empty", _folder.Path);
        _folder.Put("config.json", Tiny.ToJson());
        Refused("HF014", "holds no weights", _folder.Path);
        _folder.Put("pytorch_model.bin.index.json", "{}");
        Refused("HF014", "save it again as safetensors", _folder.Path);
        _folder.Put("a.pth", "x");
        Refused("PT001", "a.pth", _folder.Path);
        _folder.Put("b.pth", "x");
        Refused("HF014", "a.pth, b.pth", _folder.Path);
        SafetensorsWriter.WriteModel(_folder.Path, []);
        _folder.Put("generation_config.json", """{"top_p":2}""");
        Refused("HF012", "top_p", _folder.Path);
        _folder.Put("generation_config.json", """{"temperature":"hot"}""");
        Refused("HF006", "temperature", _folder.Path);
    }

    [Fact]
    public void TheKindOfAFileIsToldByItsContent()
    {
        SafetensorsWriter.Write(_folder["weights.gguf"], [TensorToWrite.FromFloats("a", [2], new float[] { 1, 2 })]);
        using (ModelWeights weights = ModelWeights.OfFile(_folder["weights.gguf"]))
            Assert.Equal([1f, 2f], weights.Tensors.ReadFloats("a"));
        Marrow.Formats.PyTorch.PthWriter.Write(_folder["weights.safetensors"], [TensorToWrite.FromFloats("b", [2], new float[] { 3, 4 })]);
        using (ModelWeights weights = ModelWeights.OfFile(_folder["weights.safetensors"]))
            Assert.Equal([3f, 4f], weights.Tensors.ReadFloats("b"));
        Marrow.Formats.Gguf.GgufWriter.Write(_folder["weights.pth"], new("weights.pth"), [TensorToWrite.FromFloats("c", [2], new float[] { 5, 6 })]);
        using (ModelWeights weights = ModelWeights.OfFile(_folder["weights.pth"]))
            Assert.Equal([5f, 6f], weights.Tensors.ReadFloats("c"));
        // What begins as nothing that is known is told of as what its ending says.
        Refused("GG001", "does not begin with", _folder.Put("x.gguf", "nothing"));
        Refused("ST001", "x.safetensors", _folder.Put("x.safetensors", "{}"));
        Assert.Equal("IO003", Assert.Throws<ModelFileException>(() => ModelWeights.FilesOf(_folder["absent"])).Code);
    }

    [Fact]
    public void ATemporaryLeftByAKillIsNotTakenForWeights()
    {
        _folder.Put("config.json", Tiny.ToJson());
        byte[]? half = null;
        AtomicFile.Write(_folder["elsewhere/model.safetensors"], stream =>
        {
            stream.Write(new byte[100]);
            stream.Flush();
            string temporary = Assert.Single(Directory.GetFiles(_folder["elsewhere"]));
            half = new byte[50];
            _folder.Put(Path.GetFileName(temporary), half);
        });
        Assert.NotNull(half);
        Refused("HF014", "holds no weights", _folder.Path);
    }

    [Theory]
    [InlineData("model", 1)]
    [InlineData("model_bf16", 1)]
    [InlineData("model_sharded", 3)]
    public void FixturesOpen(string name, int files)
    {
        if (!Fixtures.Find(output, $"llama_a/{name}", out string path))
            return;
        using ModelFolder model = ModelFolder.Open(path);
        Assert.Equal(files, model.WeightFiles.Count);
        var config = (LlamaConfig)model.Config;
        Assert.Equal((257, 64, 176, 2, 4, 2, 16), (config.VocabularySize, config.HiddenSize, config.IntermediateSize,
            config.LayerCount, config.HeadCount, config.KeyValueHeadCount, config.HeadDim));
        Assert.Equal((1e-5, 10_000.0, 128, false), (config.RmsNormEps, config.RopeTheta, config.MaxPositions, config.TiedEmbeddings));
        model.Tensors.Require("model.layers.1.self_attn.k_proj.weight", config.KeyValueHeadCount * config.HeadDim, config.HiddenSize);
        Assert.Equal(config.RawJson, File.ReadAllText(Path.Combine(path, "config.json")));
    }

    private static void Refused(string code, string says, string path)
    {
        ModelFileException error = Assert.Throws<ModelFileException>(() => ModelFolder.Open(path).Dispose());
        Assert.True(error.Code == code, error.Message);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }
}
