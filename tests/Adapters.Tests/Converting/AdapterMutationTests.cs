using Marrow.Adapters.Converting;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Mlx;
using Marrow.Adapters.Peft;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>Damaged adapter files of every kind are taken or refused, and nothing else.</summary>
public sealed class AdapterMutationTests(ITestOutputHelper output) : IDisposable
{
    private const int Rounds = 1500;
    private readonly AdapterFixture _fixture = new("llama");

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("gguf-lora")]
    [InlineData("kohya")]
    public void Damaged_files_are_refused_by_name(string name)
    {
        AdapterKind kind = AdapterFixture.Kind(name);
        List<byte[]> files = [];
        foreach (int rank in new[] { 1, 3 })
        {
            _fixture.Make("lora", new LoraConfig { R = rank, LoraAlpha = 5, AlphaPattern = new([("v_proj", 3)]) });
            _fixture.Convert("lora", "x" + kind.Ending, name);
            files.Add(File.ReadAllBytes(_fixture.Folder["x" + kind.Ending]));
        }
        using var check = new ParserCheck(output, "a" + kind.Ending, path => Read(kind, path)) { BytesPerFileByte = 64 };
        check.Mutate(files, 11, Rounds, head: 2000);
        Assert.InRange(check.Refused, Rounds / 4, Rounds);
    }

    [Theory]
    [InlineData("mlx", MlxKind.TensorFile)]
    [InlineData("peft", PeftFolder.TensorFile)]
    public void Damaged_settings_are_refused_by_name(string name, string tensors)
    {
        AdapterKind kind = AdapterFixture.Kind(name);
        _fixture.Make("lora", new LoraConfig { R = 2, LoraAlpha = 5, RankPattern = new([("v_proj", 3)]) });
        _fixture.Convert("lora", "x", name);
        byte[] sound = File.ReadAllBytes(_fixture.Folder["x", tensors]), settings = File.ReadAllBytes(_fixture.Folder["x", PeftConfig.FileName]);
        foreach (bool ofSettings in new[] { true, false })
        {
            using var check = new ParserCheck(output, "file", path =>
            {
                File.Copy(path, _fixture.Folder["x", ofSettings ? PeftConfig.FileName : tensors], overwrite: true);
                AdapterKinds.Of(_fixture.Folder["x"]);
                Read(kind, _fixture.Folder["x"]);
            }) { BytesPerFileByte = 64 };
            check.Mutate([ofSettings ? settings : sound], 12, Rounds / 2, head: 2000);
            Assert.InRange(check.Refused, Rounds / 10, Rounds);
            File.WriteAllBytes(_fixture.Folder["x", PeftConfig.FileName], settings);
            File.WriteAllBytes(_fixture.Folder["x", tensors], sound);
        }
    }

    private void Read(AdapterKind kind, string path)
    {
        using (AdapterDocument document = kind.Open(path))
            document.Read(null);
        using AdapterDocument again = kind.Open(path);
        foreach (LowRankLayer layer in again.Read(new BaseWeights(_fixture.Files)).Layers.OfType<LowRankLayer>())
        {
            layer.A.Read();
            layer.B.Read();
        }
    }
}
