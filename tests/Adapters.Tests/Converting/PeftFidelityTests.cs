using System.Text.Json;
using Marrow.Adapters.Converting;
using Marrow.Adapters.Converting.Combining;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>What PEFT puts into its folders beside the factors of linear layers, and what it expects to find there again.</summary>
public sealed class PeftFidelityTests : IDisposable
{
    private const string Prefix = "base_model.model.model.", Module = Prefix + "layers.1.self_attn.q_proj", Embedding = Prefix + "embed_tokens";
    private readonly AdapterFixture _fixture = new(d => TinyLlama.Create(d, TinyLlama.Config(bias: true)));

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("lora_only", false, "lora_only")]
    [InlineData("all", false, "lora_only")]
    [InlineData("all", true, "all")]
    public void Biases_of_adapted_modules_belong_to_the_wrapped_layer(string said, bool others, string written)
    {
        // PEFT passes over a bias under the module's own name, since its wrapper has none.
        (string, long[])[] tensors = [.. Lora(), (Module + ".base_layer.bias", [12]), .. others ? [(Prefix + "layers.0.self_attn.k_proj.bias", new long[] { 4 })] : Array.Empty<(string, long[])>()];
        Put($$"""{"peft_type":"LORA","r":2,"lora_alpha":4,"bias":"{{said}}","target_modules":["layers.1.self_attn.q_proj"]}""", tensors);
        AdapterConversionReport report = _fixture.Convert("p", "q", "peft", r => r with { Alpha = 2 });
        Assert.Contains("model.layers.1.self_attn.q_proj.bias", report.Carried);
        Assert.Equal(tensors.Select(t => t.Item1).Order(), Names("q").Order());
        Assert.Equal(written, Config("q").GetProperty("bias").GetString());
    }

    [Fact]
    public void A_weight_saved_under_its_adapter_is_no_module_to_save()
    {
        // As PEFT saves an adapted embedding whose vocabulary grew; a module in modules_to_save would get no adapter.
        (string, long[])[] tensors = [(Embedding + ".lora_embedding_A", [2, 31]), (Embedding + ".lora_embedding_B", [24, 2]), (Embedding + ".base_layer.weight", [31, 24])];
        Put("""{"peft_type":"LORA","r":2,"lora_alpha":4,"target_modules":["embed_tokens"]}""", tensors);
        _fixture.Convert("p", "q", "peft");
        Assert.Equal(tensors.Select(t => t.Item1).Order(), Names("q").Order());
        Assert.Equal(JsonValueKind.Null, Config("q").GetProperty("modules_to_save").ValueKind);
    }

    [Fact]
    public void One_tensor_under_two_names_is_refused()
    {
        Put("""{"peft_type":"LORA","r":2,"modules_to_save":["lm_head"]}""", [.. Lora(), ("base_model.model.lm_head.weight", [31, 24]), ("base_model.model.lm_head.modules_to_save.default.weight", [31, 24])]);
        Assert.Contains("modules_to_save.default", _fixture.Refused("p", "x", "peft", "AC002").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_says_nothing_about_the_change_is_kept()
    {
        const string More = """ "r":2,"task_type":"SEQ_CLS","revision":"main","inference_mode":false,"new_thing":{"a":[1]}""";
        Put($$"""{"peft_type":"LORA","lora_alpha":4,"lora_dropout":0.25,"loftq_config":{"x":1},"modules_to_save":["score"],{{More}}}""", Lora());
        AdapterConversionReport report = _fixture.Convert("p", "q", "peft");
        JsonElement lora = Config("q");
        Assert.Equal(("SEQ_CLS", 0.25, "main"), (lora.GetProperty("task_type").GetString(), lora.GetProperty("lora_dropout").GetDouble(), lora.GetProperty("revision").GetString()));
        Assert.Equal(1, lora.GetProperty("new_thing").GetProperty("a")[0].GetInt32());
        Assert.Equal(1, lora.GetProperty("loftq_config").GetProperty("x").GetInt32());
        Assert.Contains(report.Warnings, w => w.Contains("new_thing", StringComparison.Ordinal));
        // A file that lacks what it should hold is worth a word.
        Assert.Contains(report.Warnings, w => w.Contains("modules_to_save means 'score'", StringComparison.Ordinal));
        // Another type has other keys.
        Put($$"""{"peft_type":"MISS","init_weights":true,"miss_dropout":0.5,{{More}}}""", (Module + ".miss_block", [2, 12]));
        _fixture.Convert("p", "bone", "peft");
        Assert.Equal((0.5, "SEQ_CLS", true), (Config("bone").GetProperty("miss_dropout").GetDouble(), Config("bone").GetProperty("task_type").GetString(), Config("bone").TryGetProperty("new_thing", out _)));
        _fixture.Convert("p", "lora", "peft", r => r with { AsLora = true });
        lora = Config("lora");
        Assert.Equal(("LORA", "SEQ_CLS", 0.0), (lora.GetProperty("peft_type").GetString(), lora.GetProperty("task_type").GetString(), lora.GetProperty("lora_dropout").GetDouble()));
        Assert.False(lora.TryGetProperty("miss_dropout", out _) || lora.TryGetProperty("new_thing", out _));
    }

    [Fact]
    public void Starts_are_told_apart_by_what_they_did_to_the_base()
    {
        void Start(string start) => Put($$"""{"peft_type":"LORA","r":2,"lora_alpha":4,"init_lora_weights":"{{start}}","target_modules":["layers.1.self_attn.q_proj"]}""", Lora());
        // MiCA's A starts at zero and its base is untouched, as EVA's.
        Start("mica");
        _fixture.Convert("p", "q", "peft");
        using (AdapterFiles files = AdapterFiles.Open(_fixture.Folder["p"]))
            Assert.Contains(files.Warnings, w => w.Contains("init_lora_weights", StringComparison.Ordinal));
        Start("corda");
        _fixture.Refused("p", "x", "peft", "AC012");
        // What quantising took off is in no start.
        Start("loftq");
        Assert.Contains("quantis", _fixture.Refused("p", "x", "peft", "PF005", r => r with { Inputs = [r.Inputs[0] with { Initial = _fixture.Folder["q"] }] }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_linear_is_a_word_in_any_letters()
    {
        float[] logits = _fixture.Make("lora", new LoraConfig { R = 2, Targets = new() { TargetModules = new("all-linear") } });
        string file = _fixture.Folder["lora", PeftConfig.FileName];
        Dictionary<string, object> fields = JsonSerializer.Deserialize<Dictionary<string, object>>(File.ReadAllText(file))!;
        fields["target_modules"] = "All-Linear";
        File.WriteAllText(file, JsonSerializer.Serialize(fields));
        Assert.Equal(logits, _fixture.Logits("lora"));
    }

    [Theory]
    [InlineData("\"target_modules\":[\"v_proj\"]", true)]
    [InlineData("\"target_modules\":\".*k_proj\"", true)]
    [InlineData("\"target_modules\":[\"q_proj\"],\"layers_to_transform\":0", true)]
    [InlineData("\"target_modules\":[\"q_proj\"],\"exclude_modules\":[\"layers.1.self_attn.q_proj\"]", true)]
    [InlineData("\"target_modules\":[\"q_proj\"],\"modules_to_save\":[\"q_proj\"]", true)]
    [InlineData("\"target_modules\":\"(?P<any>.*)_proj\"", null)]
    [InlineData("\"target_modules\":\".*(q|k)_proj\"", false)]
    [InlineData("\"target_modules\":[\"q_proj\"],\"layers_to_transform\":[1]", false)]
    [InlineData("\"target_modules\":\"all-linear\"", false)]
    [InlineData("\"r\":2", false)]
    public void Factors_that_peft_would_pass_over_are_told(string settings, bool? passedOver)
    {
        Put($$"""{"peft_type":"LORA","lora_alpha":4,{{settings}}{{(settings.Contains("\"r\"", StringComparison.Ordinal) ? "" : ",\"r\":2")}}}""", Lora());
        IReadOnlyList<string> warnings = _fixture.Convert("p", "q", "peft").Warnings;
        Assert.Equal(passedOver == true, warnings.Any(w => w.Contains("PEFT passes over them", StringComparison.Ordinal)));
        Assert.Equal(passedOver is null, warnings.Any(w => w.Contains("is not known", StringComparison.Ordinal)));
    }

    [Fact]
    public void Folders_from_before_safetensors_are_read()
    {
        float[] logits = _fixture.Make("lora", new LoraConfig { R = 2, LoraAlpha = 6 });
        string file = _fixture.Folder["lora", PeftFolder.TensorFile];
        _fixture.Convert("lora", "k.safetensors", "kohya");
        using (SafetensorsFile stored = SafetensorsFile.Open(file))
            PthWriter.Write(_fixture.Folder["lora", "adapter_model.bin"], [.. stored.Tensors.Keys.Select(n => TensorToWrite.Copy(stored, n))]);
        File.Delete(file);
        Assert.Equal(logits, _fixture.Logits("lora"));
        _fixture.Convert("lora", "old.safetensors", "kohya");
        Assert.Equal(File.ReadAllBytes(_fixture.Folder["k.safetensors"]), File.ReadAllBytes(_fixture.Folder["old.safetensors"]));
    }

    [Fact]
    public void Factors_of_embeddings_and_biases_are_cut_to_the_rank_too()
    {
        Put("""{"peft_type":"LORA","r":6,"lora_alpha":3,"target_modules":["embed_tokens"]}""", (Embedding + ".lora_embedding_A", [6, 31]), (Embedding + ".lora_embedding_B", [24, 6]));
        LayerConversion layer = Assert.Single(_fixture.Convert("p", "q", "peft", r => r with { Approximate = new(4) { AllowError = true } }).Layers);
        Assert.Equal((4, Exactness.Approximate), (layer.Rank, layer.Exactness));
        using (SafetensorsFile stored = SafetensorsFile.Open(_fixture.Folder["q", PeftFolder.TensorFile]))
            Assert.Equal([24, 4], stored.Tensors[Embedding + ".lora_embedding_B"].Shape);
        Put("""{"peft_type":"LORA","r":6,"lora_alpha":3,"lora_bias":true,"target_modules":["q_proj"]}""", (Module + ".lora_A.weight", [6, 24]), (Module + ".lora_B.weight", [12, 6]), (Module + ".lora_B.bias", [12]));
        _fixture.Convert("p", "b", "peft", r => r with { Approximate = new(4) { AllowError = true } });
        using SafetensorsFile before = SafetensorsFile.Open(_fixture.Folder["p", PeftFolder.TensorFile]), after = SafetensorsFile.Open(_fixture.Folder["b", PeftFolder.TensorFile]);
        // The scale was a half and is one.
        Assert.Equal(before.ReadFloats(Module + ".lora_B.bias").Select(v => v / 2), after.ReadFloats(Module + ".lora_B.bias"));
        Assert.Equal([4, 24], after.Tensors[Module + ".lora_A.weight"].Shape);
    }

    [Fact]
    public void The_way_out_is_one_that_works()
    {
        // marrow merge computes with none of these.
        void Way(string code, string config, params (string, long[])[] tensors)
        {
            Put(config, tensors);
            string message = _fixture.Refused("p", "x.safetensors", "kohya", code).Message;
            Assert.Contains("with PEFT", message, StringComparison.Ordinal);
            Assert.DoesNotContain("marrow merge", message, StringComparison.Ordinal);
            Assert.ThrowsAny<MarrowException>(() => _fixture.Logits("p"));
        }
        Way("AC004", """{"peft_type":"LORA","r":2,"lora_bias":true,"target_modules":["q_proj"]}""", [.. Lora(), (Module + ".lora_B.bias", [12])]);
        Way("AC004", """{"peft_type":"LORA","r":2,"target_modules":["embed_tokens"]}""", (Embedding + ".lora_embedding_A", [2, 31]), (Embedding + ".lora_embedding_B", [24, 2]));
        Way("AC005", """{"peft_type":"LORA","r":2,"bias":"lora_only","target_modules":["q_proj"]}""", [.. Lora(), (Module + ".base_layer.bias", [12])]);
    }

    [Fact]
    public void A_weight_multiplies_the_bias_of_lora_too()
    {
        Put("""{"peft_type":"LORA","r":2,"lora_alpha":4,"lora_bias":true,"target_modules":["q_proj"]}""", [.. Lora(), (Module + ".lora_B.bias", [12])]);
        _fixture.Convert("p", "q", "peft", r => r with { Inputs = [r.Inputs[0] with { Weight = -0.5 }], Alpha = 2 });
        using SafetensorsFile before = SafetensorsFile.Open(_fixture.Folder["p", PeftFolder.TensorFile]), after = SafetensorsFile.Open(_fixture.Folder["q", PeftFolder.TensorFile]);
        // An alpha of 4·(−½) is now one of 2.
        Assert.Equal(before.ReadFloats(Module + ".lora_B.bias").Select(v => -v), after.ReadFloats(Module + ".lora_B.bias"));
        Assert.Contains("with a bias", _fixture.Refused("p", "x", "peft", "AC011", r => r with { Inputs = [.. r.Inputs, .. r.Inputs] }).Message, StringComparison.Ordinal);
    }

    private static (string, long[])[] Lora() => [(Module + ".lora_A.weight", [2, 24]), (Module + ".lora_B.weight", [12, 2])];

    private JsonElement Config(string name) => JsonDocument.Parse(File.ReadAllText(_fixture.Folder[name, PeftConfig.FileName])).RootElement;

    private string[] Names(string name)
    {
        using SafetensorsFile stored = SafetensorsFile.Open(_fixture.Folder[name, PeftFolder.TensorFile]);
        return [.. stored.Tensors.Keys];
    }

    private void Put(string config, params (string Name, long[] Shape)[] tensors)
    {
        Directory.CreateDirectory(_fixture.Folder["p"]);
        File.WriteAllText(_fixture.Folder["p", PeftConfig.FileName], config);
        SafetensorsWriter.Write(_fixture.Folder["p", PeftFolder.TensorFile], tensors.Select(t =>
            TensorToWrite.FromFloats(t.Name, t.Shape, Enumerable.Range(0, (int)t.Shape.Aggregate(1L, (x, y) => x * y)).Select(i => 0.125f * (i * 7 % 11 - 5)).ToArray())));
    }
}
