using Marrow.Adapters.Converting;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>mlx-lm's and sd-scripts' files as those programs write them, and as they should not be.</summary>
public sealed class ForeignFileTests : IDisposable
{
    private const string Module = "model.layers.1.self_attn.q_proj", Te = "lora_te_model_layers_1_self_attn_q_proj";
    private readonly AdapterFixture _fixture = new("llama");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Mlx_multiplies_by_its_scale_and_turns_its_factors()
    {
        // As mlx-lm writes it for its last layer, with keys inside of layers.
        Mlx("""{"fine_tune_type":"lora","num_layers":1,"lora_parameters":{"rank":2,"scale":5.0,"dropout":0.0,"keys":["self_attn.q_proj"]}}""", (Module + ".lora_a", [24, 2]), (Module + ".lora_b", [2, 12]));
        var layer = Assert.IsType<LowRankLayer>(Assert.Single(Read("m")));
        Assert.Equal(5, layer.Factor);
        Assert.Equal(Value(2 * 7 + 1), layer.A.Read()[24 + 7]);
        Assert.Equal(Value(12 + 3), layer.B.Read()[3 * 2 + 1]);
        // The scale that mlx-lm takes where none is given.
        Mlx("""{"num_layers":1,"lora_parameters":{"rank":2}}""", (Module + ".lora_a", [24, 2]), (Module + ".lora_b", [2, 12]));
        Assert.Equal(20, Assert.IsType<LowRankLayer>(Assert.Single(Read("m"))).Factor);
        // Ranks that differ are filled up with zeros, which change nothing.
        float[] logits = _fixture.Make("lora", new LoraConfig { R = 2, LoraAlpha = 2, RankPattern = new([("v_proj", 3)]) });
        AdapterConversionReport report = _fixture.Convert("lora", "x", "mlx");
        Assert.All(report.Layers, l => Assert.Equal(3, l.Rank));
        using (SafetensorsFile file = SafetensorsFile.Open(_fixture.Folder["x", "adapters.safetensors"]))
            Assert.Equal([3, 12], file.Tensors[Module + ".lora_b"].Shape);
        Assert.InRange(TinyLlama.LargestDifference(logits, _fixture.Logits("x")), 0, 1e-5f);
    }

    [Fact]
    public void An_old_mlx_alpha_is_not_guessed_at()
    {
        // Before June 2024 the factor was 10·16/2 = 80; now it is 10.
        Mlx("""{"lora_layers":1,"lora_parameters":{"rank":2,"alpha":16.0,"scale":10.0}}""", (Module + ".lora_a", [24, 2]), (Module + ".lora_b", [2, 12]));
        Assert.Contains("set scale there to 80", _fixture.Refused("m", "x", "peft", "ML004").Message, StringComparison.Ordinal);
        Mlx("""{"lora_layers":1,"lora_parameters":{"rank":2,"alpha":2,"scale":10.0}}""", (Module + ".lora_a", [24, 2]), (Module + ".lora_b", [2, 12]));
        Assert.Equal(10, Assert.IsType<LowRankLayer>(Assert.Single(Read("m"))).Factor);
        // A magnitude for each token, where PEFT has one for each channel.
        Mlx("""{"fine_tune_type":"dora","lora_parameters":{"scale":1.0}}""", ("model.embed_tokens.lora_a", [31, 2]), ("model.embed_tokens.lora_b", [2, 24]), ("model.embed_tokens.m", [31]));
        _fixture.Refused("m", "x", "peft", "AC002");
    }

    [Fact]
    public void One_number_for_all_layers_is_called_what_it_is()
    {
        _fixture.Make("lora", new LoraConfig { R = 4, LoraAlpha = 6 });
        AdapterConversionReport mlx = _fixture.Convert("lora", "x", "mlx"), gguf = _fixture.Convert("lora", "x.gguf", "gguf-lora"), asked = _fixture.Convert("lora", "y", "mlx", r => r with { Alpha = 8 });
        Assert.Equal((null, 1.5), (mlx.Alpha, mlx.Scale));
        Assert.Equal((6, null), (gguf.Alpha, gguf.Scale));
        Assert.Equal(2, asked.Scale);
        Assert.Contains("\"scale\": 2.0", File.ReadAllText(_fixture.Folder["y", PeftConfig.FileName]), StringComparison.Ordinal);
    }

    [Fact]
    public void Written_kohya_keys_count_from_where_sd_scripts_does()
    {
        _fixture.Make("lora", new LoraConfig { R = 2 });
        _fixture.Convert("lora", "k.safetensors", "kohya");
        using SafetensorsFile file = SafetensorsFile.Open(_fixture.Folder["k.safetensors"]);
        Assert.Contains("lora_te_layers_1_self_attn_q_proj.lora_down.weight", file.Tensors.Keys);
    }

    [Fact]
    public void Malformed_mlx_is_refused()
    {
        const string Config = """{"num_layers":1,"lora_parameters":{"rank":2,"scale":5.0}}""";
        void Refused(string code, string config, params (string, long[])[] tensors)
        {
            Mlx(config, tensors);
            _fixture.Refused("m", "x", "peft", code);
        }
        (string, long[]) a = (Module + ".lora_a", [24, 2]), b = (Module + ".lora_b", [2, 12]);
        Refused("ML002", """{"fine_tune_type":"full","num_layers":1,"lora_parameters":{}}""", a, b);
        Refused("ML002", """{"fine_tune_type":"x","num_layers":1,"lora_parameters":{}}""", a, b);
        Refused("ML002", """{"fine_tune_type":"lora","num_layers":1}""", a, b);
        Refused("PF003", """{"num_layers":1,"lora_parameters":{"scale":"5"}}""", a, b);
        Refused("ML003", Config, a, b, (Module + ".weight", [12, 24]));
        Refused("AC002", Config, a);
        Refused("AC002", Config, b);
        Refused("AC002", Config, a, (Module + ".lora_b", [3, 12]));
        Refused("AC002", Config, a, b, (Module + ".m", [12]));
        Refused("AC002", """{"fine_tune_type":"dora","num_layers":1,"lora_parameters":{}}""", a, b);
        Refused("AC002", Config, (Module + ".lora_a", [3, 24, 2]), b);
        Refused("AC007", Config, ("model.layers.9.self_attn.q_proj.lora_a", [24, 2]), ("model.layers.9.self_attn.q_proj.lora_b", [2, 12]));
        Refused("AC008", Config, (Module + ".lora_a", [25, 2]), b);
        File.Delete(_fixture.Folder["m", PeftConfig.FileName]);
        _fixture.Refused("m", "x", "peft", "ML001");
    }

    [Fact]
    public void Kohyas_keys_are_told_apart_by_the_model()
    {
        // Any program's part, with and without the outermost module, an alpha of any type or none.
        foreach ((string key, double? alpha) in new (string, double?)[] { (Te, 4), ("lora_te1_layers_1_self_attn_q_proj", null), ("lora_unet_model_layers_1_self_attn_q_proj", 1), ("lora_my_own_part_model_layers_1_self_attn_q_proj", 0) })
        {
            Kohya(key, alpha);
            var layer = Assert.IsType<LowRankLayer>(Assert.Single(Read("k.safetensors")));
            Assert.Equal(Module, layer.Module);
            Assert.Equal(alpha is null or 0 ? 1 : alpha.Value / 2, layer.Factor);
        }
        Kohya(Te, 4, TensorToWrite.FromInt64s(Te + ".alpha", [], new long[] { 6 }));
        Assert.Equal(3, Assert.IsType<LowRankLayer>(Assert.Single(Read("k.safetensors"))).Factor);
        using (AdapterFiles files = AdapterFiles.Open(_fixture.Folder["k.safetensors"]))
            Assert.Equal(6, Assert.IsType<LoraConfig>(files.Config).LoraAlpha);
        Assert.Equal("RP006", Assert.Throws<ModelFileException>(() => AdapterFiles.Open(_fixture.Folder["k.safetensors"], 3)).Code);
        Assert.True(AdapterFiles.HoldsScale(_fixture.Folder["k.safetensors"]));
        Assert.False(AdapterFiles.HoldsScale(_fixture.Folder.Put("r.pth", "x")));
        // An alpha of zero means the rank to sd-scripts, so a change of nothing is written as zeros.
        _fixture.Make("zero", new LoraConfig { R = 2, LoraAlpha = 0 });
        _fixture.Convert("zero", "z.safetensors", "kohya");
        Assert.InRange(TinyLlama.LargestDifference(TinyLlama.Logits(_fixture.Model, TinyLlama.Batch()), _fixture.Logits("z.safetensors")), 0, 0);
    }

    [Fact]
    public void Malformed_kohya_is_refused()
    {
        void Refused(string code, params (string, long[])[] tensors)
        {
            Put("k.safetensors", tensors);
            _fixture.Refused("k.safetensors", "x", "peft", code);
        }
        (string, long[]) down = (Te + ".lora_down.weight", [2, 24]), up = (Te + ".lora_up.weight", [12, 2]);
        Refused("KO001", down, up, (Te + ".dora_scale", [12]));
        Refused("KO001", down, up, (Te + ".hada_w1_a", [12, 2]));
        Refused("KO002", down, up, (Te + ".alpha", [2]));
        Refused("AC002", down);
        Refused("AC002", up);
        Refused("AC002", up, (Te + ".lora_down.weight", [3, 24]));
        Refused("AC002", up, (Te + ".lora_down.weight", [2, 24, 1, 1]));
        Refused("AC002", down, up, ("lora_unet_layers_1_self_attn_q_proj.lora_down.weight", [2, 24]), ("lora_unet_layers_1_self_attn_q_proj.lora_up.weight", [12, 2]));
        Refused("AC007", ("lora_te_model_layers_1_self_attn_x_proj.lora_down.weight", [2, 24]), ("lora_te_model_layers_1_self_attn_x_proj.lora_up.weight", [12, 2]));
        Refused("AC008", down, (Te + ".lora_up.weight", [13, 2]));
        Put("k.safetensors", ("lora_x_other.lora_down.weight", [2, 24]), ("lora_x_other.lora_up.weight", [12, 2]));
        _fixture.Refused("k.safetensors", "x", "peft", "AC006", r => r with { Model = null });
        float[] broken = [.. Enumerable.Repeat(float.NaN, 24)];
        SafetensorsWriter.Write(_fixture.Folder["k.safetensors"], [TensorToWrite.FromFloats(Te + ".lora_up.weight", [12, 2], broken), TensorToWrite.FromFloats(Te + ".lora_down.weight", [2, 24], new float[48])]);
        _fixture.Refused("k.safetensors", "x", "peft", "AC010");
    }

    [Fact]
    public void Peft_folders_that_lie_or_hold_more_are_refused()
    {
        const string A = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight", B = "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight";
        void Refused(string code, string config, params (string, long[])[] tensors)
        {
            Peft(config, tensors);
            _fixture.Refused("p", "x.gguf", "gguf-lora", code);
        }
        (string, long[]) a = (A, [2, 24]), b = (B, [12, 2]);
        Refused("AC002", """{"peft_type":"LORA","r":3,"lora_alpha":4}""", a, b);
        Refused("AC002", """{"peft_type":"LORA","r":2,"lora_alpha":4,"use_dora":true}""", a, b);
        Refused("AC002", """{"peft_type":"LORA","r":2,"lora_alpha":4}""", a);
        Refused("PF005", """{"peft_type":"LORA","r":2,"lora_alpha":4,"fan_in_fan_out":true}""", a, b);
        Refused("PF004", """{"peft_type":"LOHA","r":2}""", a, b);
        Refused("PF007", """{"peft_type":"LORA","r":2}""", a, b, (A.Replace("lora_A.weight", "miss_block", StringComparison.Ordinal), [2, 12]));
        Refused("PF008", """{"peft_type":"LORA","r":2}""", a, b, (A.Replace("lora_A", "lora_A.default", StringComparison.Ordinal), [2, 24]));
        Refused("AC005", """{"peft_type":"LORA","r":2}""", a, b, ("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", [1, 24]));
        Refused("AC005", """{"peft_type":"LORA","r":2,"bias":"all"}""", a, b, ("base_model.model.lm_head.weight", [31, 24]));
        Refused("AC004", """{"peft_type":"LORA","r":2,"lora_bias":true}""", a, b, (B.Replace("weight", "bias", StringComparison.Ordinal), [12]));
        Refused("AC012", """{"peft_type":"LORA","r":2,"init_lora_weights":"olora"}""", a, b);
        // A bias in LoRA is kept where there is a place for it.
        _fixture.Refused("p", "x", "rwkv-peft", "AC001");
        Peft("""{"peft_type":"LORA","r":2,"lora_bias":true}""", a, b, (B.Replace("weight", "bias", StringComparison.Ordinal), [12]));
        _fixture.Convert("p", "same", "peft");
        Assert.Equal(File.ReadAllBytes(_fixture.Folder["p", PeftFolder.TensorFile]), File.ReadAllBytes(_fixture.Folder["same", PeftFolder.TensorFile]));
        Assert.Contains("\"lora_bias\": true", File.ReadAllText(_fixture.Folder["same", PeftConfig.FileName]), StringComparison.Ordinal);
        Assert.Equal("AC003", Assert.Throws<ModelFileException>(() => AdapterKinds.Of(_fixture.Folder["nothing.txt"])).Code);
        Assert.Equal("AC003", Assert.Throws<MarrowException>(() => AdapterKinds.Find("pef")).Code);
    }

    private static float Value(int i) => 0.125f * (i % 11 - 5);

    private IReadOnlyList<AdaptedModule> Read(string name)
    {
        string path = _fixture.Folder[name];
        using AdapterDocument document = AdapterKinds.Of(path).Open(path);
        return [.. document.Read(new BaseWeights(_fixture.Files)).Layers.Cast<LowRankLayer>().Select(l => l with { A = Kept(l.A), B = Kept(l.B) })];
    }

    private static AdapterMatrix Kept(AdapterMatrix matrix) => AdapterMatrix.Of(matrix.Rows, matrix.Columns, matrix.Read());

    private void Mlx(string config, params (string, long[])[] tensors)
    {
        Directory.CreateDirectory(_fixture.Folder["m"]);
        File.WriteAllText(_fixture.Folder["m", PeftConfig.FileName], config);
        Put("m/adapters.safetensors", tensors);
    }

    private void Peft(string config, params (string, long[])[] tensors)
    {
        Directory.CreateDirectory(_fixture.Folder["p"]);
        File.WriteAllText(_fixture.Folder["p", PeftConfig.FileName], config);
        Put("p/" + PeftFolder.TensorFile, tensors);
    }

    private void Kohya(string key, double? alpha, TensorToWrite? other = null)
    {
        List<TensorToWrite> tensors = [.. Tensors((key + ".lora_down.weight", [2, 24]), (key + ".lora_up.weight", [12, 2]))];
        if (other is not null)
            tensors.Add(other);
        else if (alpha is { } number)
            tensors.Add(TensorToWrite.FromFloats(key + ".alpha", [], new[] { (float)number }));
        SafetensorsWriter.Write(_fixture.Folder["k.safetensors"], tensors);
    }

    private void Put(string name, params (string, long[])[] tensors) => SafetensorsWriter.Write(_fixture.Folder[name], Tensors(tensors));

    private static IEnumerable<TensorToWrite> Tensors(params (string Name, long[] Shape)[] tensors) => tensors.Select(t =>
        TensorToWrite.FromFloats(t.Name, t.Shape, Enumerable.Range(0, (int)t.Shape.Aggregate(1L, (x, y) => x * y)).Select(Value).ToArray()));
}
