using Marrow.Adapters.Converting;
using Marrow.Adapters.GgufLora;
using Marrow.Adapters.Methods;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>llama.cpp's form of LoRA: its names, its order of rows, its checks.</summary>
public sealed class GgufLoraTests : IDisposable
{
    private const string Key = "blk.0.attn_k.weight";
    private readonly AdapterFixture _fixture = new("llama");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Names_shapes_and_rows_are_those_of_the_bases_gguf()
    {
        _fixture.Make("lora", new LoraConfig { R = 2, LoraAlpha = 3, Targets = new() { TargetModules = new(["k_proj", "down_proj"]) } });
        Assert.Equal(3, _fixture.Convert("lora", "x.gguf", "gguf-lora").Alpha);
        using GgufFile file = GgufFile.Open(_fixture.Folder["x.gguf"]);
        Assert.Equal("adapter", file.Values.Text("general.type"));
        Assert.Equal("lora", file.Values.Text("adapter.type"));
        Assert.Equal("llama", file.Values.Text("general.architecture"));
        Assert.Equal(3, file.Values.Number("adapter.lora.alpha"));
        Assert.Equal([2, 24], file.Tensors[Key + ".lora_a"].Shape);
        Assert.Equal([24, 2], file.Tensors["blk.1.ffn_down.weight.lora_b"].Shape);
        // One key head of four channels: its halves come in turns.
        using AdapterDocument lora = new PeftKind().Open(_fixture.Folder["lora"]);
        float[] b = lora.Tensors.ReadFloats("base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight"), moved = file.ReadFloats(Key + ".lora_b");
        Assert.Equal([b[0], b[1], b[4], b[5], b[2], b[3], b[6], b[7]], moved);
    }

    [Fact]
    public void Ranks_and_scales_of_their_own_go_into_b()
    {
        float[] logits = _fixture.Make("lora", new LoraConfig { R = 2, LoraAlpha = 3, UseRslora = true, RankPattern = new([("q_proj", 5)]), AlphaPattern = new([("v_proj", 7)]), Targets = new() { TargetModules = new("all-linear") } });
        AdapterConversionReport report = _fixture.Convert("lora", "x.gguf", "gguf-lora");
        Assert.Equal(Exactness.Rounded, report.Exactness);
        Assert.InRange(TinyLlama.LargestDifference(logits, _fixture.Logits("x.gguf")), 0, 1e-5f);
        Assert.All(report.Layers, l => Assert.Equal(l.Module.EndsWith("q_proj", StringComparison.Ordinal) ? 5 : 2, l.Rank));
        // A half, a quarter and twice fold without rounding.
        logits = _fixture.Make("powers", new LoraConfig { R = 4, LoraAlpha = 4, AlphaPattern = new([("v_proj", 8), ("k_proj", 1)]), Targets = new() { TargetModules = new("all-linear") } });
        Assert.Equal(Exactness.Exact, _fixture.Convert("powers", "y.gguf", "gguf-lora").Exactness);
        Assert.InRange(TinyLlama.LargestDifference(logits, _fixture.Logits("y.gguf")), 0, 1e-6f);
    }

    [Fact]
    public void Blocks_are_decoded_and_alpha_of_nothing_is_a_factor_of_one()
    {
        using var fixture = new AdapterFixture(d => TinyLlama.Create(d, TinyLlama.Config(hidden: 32)));
        byte[] blocks = new byte[34 * 2];
        BitConverter.TryWriteBytes(blocks, (Half)0.5f);
        BitConverter.TryWriteBytes(blocks.AsSpan(34), (Half)0.25f);
        for (int i = 0; i < 32; i++)
            (blocks[2 + i], blocks[36 + i]) = ((byte)i, (byte)(sbyte)-i);
        float[] b = [.. Enumerable.Range(0, 8).Select(i => 0.5f * i)];
        var values = Notes("llama", null);
        GgufWriter.Write(fixture.Folder["q.gguf"], values, [new(Key + ".lora_a", DType.Q8_0, [2, 32], s => s.Write(blocks)), TensorToWrite.FromFloats(Key + ".lora_b", [4, 2], b, DType.F16)]);
        fixture.Convert("q.gguf", "peft", "peft");
        using AdapterDocument peft = new PeftKind().Open(fixture.Folder["peft"]);
        var layer = Assert.IsType<LowRankLayer>(Assert.Single(peft.Read(null).Layers));
        Assert.Equal(1, layer.Factor);
        Assert.Equal(DType.F16, layer.B.Type);
        Assert.Equal(0.5f * 3, layer.A.Read()[3]);
        Assert.Equal(-0.25f * 5, layer.A.Read()[37]);
        Assert.Equal([b[0], b[1], b[4], b[5], b[2], b[3], b[6], b[7]], layer.B.Read());
    }

    [Fact]
    public void Embeddings_and_heads_go_along_unless_they_are_one()
    {
        var a = AdapterMatrix.Of(2, 31, Numbers(62));
        var b = AdapterMatrix.Of(24, 2, Numbers(48));
        var head = new LowRankLayer("lm_head", AdapterMatrix.Of(2, 24, Numbers(48)), AdapterMatrix.Of(31, 2, Numbers(62)), new(2));
        var contents = new AdapterContents([new LowRankLayer("model.embed_tokens", a, b, new(2)) { IsEmbedding = true }, head], []);
        new PeftKind().Write(_fixture.Folder["e"], contents, new AdapterWriting(new BaseWeights(_fixture.Files), 0, []));
        _fixture.Convert("e", "e.gguf", "gguf-lora");
        using (GgufFile file = GgufFile.Open(_fixture.Folder["e.gguf"]))
        {
            Assert.Equal([31, 2], file.Tensors["token_embd.weight.lora_a"].Shape);
            Assert.Equal([24, 2], file.Tensors["token_embd.weight.lora_b"].Shape);
            Assert.Equal([2, 24], file.Tensors["output.weight.lora_a"].Shape);
        }
        foreach (string kind in new[] { "gguf-lora", "mlx" })
        {
            string name = "f" + AdapterFixture.Kind(kind).Ending;
            _fixture.Convert("e", name, kind);
            _fixture.Convert(name, "back-" + kind, "peft");
            Assert.Equal(File.ReadAllBytes(_fixture.Folder["e", "adapter_model.safetensors"]), File.ReadAllBytes(_fixture.Folder["back-" + kind, "adapter_model.safetensors"]));
        }
        Assert.Contains("embedding", _fixture.Refused("e", "x.safetensors", "kohya", "AC004").Message, StringComparison.Ordinal);
        using var tied = new AdapterFixture(d => TinyLlama.Create(d, TinyLlama.Config(tied: true)));
        tied.Refused("x", "x.gguf", "gguf-lora", "AC004", r => r with { Inputs = [new(_fixture.Folder["e"])] });
    }

    [Fact]
    public void Rwkv_6s_division_goes_into_b_and_back()
    {
        using var fixture = new AdapterFixture(d => TinyModels.Create(d, TinyModels.Rwkv(6) with { LayerCount = 3, RescaleEvery = 1 }));
        var model = new BaseWeights(fixture.Model);
        var layer = new LowRankLayer("blocks.2.att.output", AdapterMatrix.Of(2, 24, Numbers(48)), AdapterMatrix.Of(24, 2, Numbers(48)), new(2));
        List<string> warnings = [];
        var kind = new GgufLoraKind();
        kind.Write(fixture.Folder["x.gguf"], new AdapterContents([layer, layer with { Module = "blocks.2.att.key" }], []), new AdapterWriting(model, 2, warnings));
        Assert.Contains("rescale_every_n_layers is 1", Assert.Single(warnings), StringComparison.Ordinal);
        using AdapterDocument document = kind.Open(fixture.Folder["x.gguf"]);
        Assert.Equal(layer.B.Read().Select(v => v / 4), document.Tensors.ReadFloats("blk.2.time_mix_output.weight.lora_b"));
        Assert.Equal(layer.B.Read(), document.Tensors.ReadFloats("blk.2.time_mix_key.weight.lora_b"));
        Assert.All(document.Read(model).Layers, l => Assert.Equal(layer.B.Read(), ((LowRankLayer)l).B.Read()));
    }

    [Fact]
    public void Heads_that_contradict_the_tensors_are_refused()
    {
        _fixture.Make("lora", new LoraConfig { R = 2, Targets = new() { TargetModules = new(["k_proj"]) } });
        _fixture.Convert("lora", "x.gguf", "gguf-lora");
        string config = _fixture.Folder["model", "config.json"], text = File.ReadAllText(config);
        File.WriteAllText(config, text.Replace("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 3", StringComparison.Ordinal));
        Assert.NotEqual(text, File.ReadAllText(config));
        using ModelFolder wrong = ModelFolder.Open(_fixture.Folder["model"]);
        foreach (var (from, to, kind) in new[] { ("lora", "y.gguf", "gguf-lora"), ("x.gguf", "y", "peft") })
        {
            string message = _fixture.Refused(from, to, kind, "AC008", r => r with { Model = wrong }).Message;
            Assert.Contains("self_attn.k_proj.weight' has 4 rows", message, StringComparison.Ordinal);
            Assert.Contains("make 12", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Malformed_files_are_refused_by_name()
    {
        (string, long[])[] whole = [(Key + ".lora_a", [2, 24]), (Key + ".lora_b", [4, 2])];
        Refused("GL001", Notes("llama", 1, type: "model"), whole);
        Refused("GL001", Notes("llama", 1, type: null), whole);
        Refused("GL002", Notes("llama", 1, form: "x"), whole);
        Refused("GL002", Notes("llama", 1, form: null), whole);
        Refused("GL003", Notes("qwen2", 1), whole);
        Refused("GL003", Notes("bert", 1), whole);
        Refused("GL004", Notes("llama", 1), whole[0]);
        Refused("GL004", Notes("llama", 1), whole[1]);
        Refused("GL004", Notes("llama", 1));
        Refused("GL005", Notes("llama", 1), [.. whole, ("blk.0.attn_q.weight", [12, 24])]);
        Refused("GL006", Notes("llama", 1), ("blk.7.attn_k.weight.lora_a", [2, 24]), ("blk.7.attn_k.weight.lora_b", [4, 2]));
        Refused("GL006", Notes("llama", 1), ("blk.0.attn_norm.weight.lora_a", [2, 24]), ("blk.0.attn_norm.weight.lora_b", [4, 2]));
        Refused("GL006", Notes("llama", 1), ("made_up.lora_a", [2, 24]), ("made_up.lora_b", [4, 2]));
        Refused("GL007", Notes("llama", 1), (Key + ".lora_a", [2, 25]), whole[1]);
        Refused("GL007", Notes("llama", 1), whole[0], (Key + ".lora_b", [5, 2]));
        Refused("GL007", Notes("llama", 1), whole[0], (Key + ".lora_b", [4, 3]));
        Refused("GL008", Notes("llama", 1), (Key + ".lora_a", [24, 2]), whole[1]);
        Refused("GL009", Notes("llama", float.NaN), whole);
        Refused("GL009", Notes("llama", -1), whole);
        Refused("GL009", Notes("llama", float.PositiveInfinity), whole);
        Refused("AC002", Notes("llama", 1), (Key + ".lora_a", [2, 24, 3]), (Key + ".lora_b", [4, 2, 3]));
        GgufMetadata late = Notes("llama", 1);
        late.Set("adapter.alora.invocation_tokens", new GgufValue(GgufType.U32, new long[] { 5 }));
        Refused("GL010", late, whole);
        Put(Notes("llama", 2), [.. whole, ("blk.0.attn_norm.weight", [24])]);
        AdapterConversionReport report = _fixture.Convert("m.gguf", "ok", "peft");
        Assert.Contains(report.Warnings, w => w.Contains("attn_norm", StringComparison.Ordinal));
        Assert.Contains("--model", _fixture.Refused("m.gguf", "x", "peft", "AC006", r => r with { Model = null }).Message, StringComparison.Ordinal);
        File.WriteAllBytes(_fixture.Folder["cut.gguf"], File.ReadAllBytes(_fixture.Folder["m.gguf"])[..^40]);
        Assert.ThrowsAny<ModelFileException>(() => _fixture.Convert("cut.gguf", "x", "peft"));
    }

    private static float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(i => 0.125f * (i % 11 - 5))];

    private static GgufMetadata Notes(string architecture, float? alpha, string? type = "adapter", string? form = "lora")
    {
        var values = new GgufMetadata("adapter");
        values.Set("general.architecture", architecture);
        if (type is not null)
            values.Set("general.type", type);
        if (form is not null)
            values.Set("adapter.type", form);
        if (alpha is { } number)
            values.Set("adapter.lora.alpha", number);
        return values;
    }

    private void Refused(string code, GgufMetadata values, params (string Name, long[] Shape)[] tensors)
    {
        Put(values, tensors);
        _fixture.Refused("m.gguf", "x", "peft", code);
    }

    private void Put(GgufMetadata values, (string Name, long[] Shape)[] tensors) =>
        GgufWriter.Write(_fixture.Folder["m.gguf"], values, [.. tensors.Select(t => TensorToWrite.FromFloats(t.Name, t.Shape, Numbers((int)t.Shape.Aggregate((x, y) => x * y))))]);
}
