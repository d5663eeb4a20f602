using System.Text.Json;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Peft;

public sealed class PeftConfigTests : IDisposable
{
    private const string Minimal = """{"peft_type":"LORA","target_modules":["q_proj"]}""";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_minimal_lora_has_peft_s_defaults()
    {
        using PeftFolder files = Open(Minimal);
        var config = Assert.IsType<LoraConfig>(files.Config);
        Assert.Equal((8, 8.0, 0.0, false), (config.R, config.LoraAlpha, config.LoraDropout, config.UseRslora));
        Assert.Equal(["q_proj"], config.Targets.TargetModules!.Names!);
        Assert.Empty(files.Warnings);
    }

    [Fact]
    public void Everything_that_counts_is_read()
    {
        using PeftFolder files = Open("""
            {"peft_type":"LORA","task_type":"CAUSAL_LM","r":4,"lora_alpha":12.5,"lora_dropout":0.1,"use_rslora":true,"init_lora_weights":"gaussian",
             "target_modules":".*proj","exclude_modules":["o_proj"],"modules_to_save":["lm_head"],"rank_pattern":{"layers.0.*":2,"q_proj":6},
             "alpha_pattern":{"q_proj":3},"base_model_name_or_path":"b","revision":"main"}
            """);
        var config = Assert.IsType<LoraConfig>(files.Config);
        Assert.Equal((4, 12.5, 0.1, true, AdapterInit.Gaussian), (config.R, config.LoraAlpha, config.LoraDropout, config.UseRslora, config.InitWeights));
        Assert.Equal(".*proj", config.Targets.TargetModules!.Expression);
        Assert.Equal(["lm_head"], config.Targets.ModulesToSave);
        Assert.Equal([("layers.0.*", 2.0), ("q_proj", 6.0)], config.RankPattern.Entries);
        Assert.Equal(2, config.RankPattern.Find("model.layers.0.self_attn.q_proj"));
        Assert.Equal("\"main\"", config.Kept["revision"]);
        Assert.Empty(files.Warnings);
    }

    [Theory]
    [InlineData("MISS", "true", typeof(MissConfig))]
    [InlineData("MISS", "\"bat\"", typeof(BatConfig))]
    [InlineData("MISS", "\"mini\"", typeof(MissMiniConfig))]
    [InlineData("BONE", "true", typeof(MissConfig))]
    [InlineData("BONE", "\"bat\"", typeof(BatConfig))]
    public void Forms_of_miss_and_bone(string type, string init, Type expected)
    {
        using PeftFolder files = Open($$"""{"peft_type":"{{type}}","r":4,"mini_r":2,"init_weights":{{init}}}""");
        Assert.IsType(expected, files.Config);
        Assert.Equal(4, files.Config.R);
    }

    [Fact]
    public void An_early_bone_with_blocks_of_three_dimensions_is_bat()
    {
        using PeftFolder files = Open("""{"peft_type":"BONE","r":2,"init_weights":true}""",
            TensorToWrite.FromFloats("base_model.model.model.layers.0.self_attn.q_proj.bone_block", [3, 2, 2], new float[12]));
        Assert.IsType<BatConfig>(files.Config);
        Assert.Contains("Bat", Assert.Single(files.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lora_bias", "true")]
    [InlineData("fan_in_fan_out", "true")]
    [InlineData("bias", "\"all\"")]
    [InlineData("layer_replication", "[[0,1]]")]
    [InlineData("alora_invocation_tokens", "[1]")]
    [InlineData("use_qalora", "true")]
    [InlineData("use_bdlora", "{\"a\":1}")]
    [InlineData("kasa_config", "{\"a\":1}")]
    [InlineData("target_parameters", "[\"x\"]")]
    [InlineData("trainable_token_indices", "[3]")]
    [InlineData("init_lora_weights", "\"pissa\"")]
    [InlineData("init_lora_weights", "\"olora\"")]
    public void Switches_that_change_the_arithmetic_are_refused_by_name(string key, string value)
    {
        var error = Assert.Throws<ModelFileException>(() => Open($$"""{"peft_type":"LORA","{{key}}":{{value}}}"""));
        Assert.Equal("PF005", error.Code);
        Assert.Contains($"'{key}'", error.Message, StringComparison.Ordinal);
        // A start that changed the base can be undone; the others cannot.
        Assert.Contains(key == "init_lora_weights" ? "marrow convert ADAPTER OUT --to peft --init START" : "not supported yet", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"r":8}""", "PF004")]
    [InlineData("""{"peft_type":"ADALORA"}""", "PF004")]
    [InlineData("[]", "PF002")]
    [InlineData("{", "PF002")]
    [InlineData("""{"peft_type":"LORA","r":0}""", "PF010")]
    [InlineData("""{"peft_type":"LORA","r":-1}""", "PF010")]
    [InlineData("""{"peft_type":"LORA","r":"8"}""", "PF003")]
    [InlineData("""{"peft_type":"LORA","r":99999999999999999999}""", "PF003")]
    [InlineData("""{"peft_type":"LORA","lora_dropout":1}""", "AD001")]
    [InlineData("""{"peft_type":"LORA","rank_pattern":{"a":0}}""", "AD001")]
    [InlineData("""{"peft_type":"LORA","rank_pattern":{"a":2.5}}""", "AD001")]
    [InlineData("""{"peft_type":"LORA","rank_pattern":{"(":2}}""", "AD006")]
    [InlineData("""{"peft_type":"LORA","target_modules":"("}""", "AD006")]
    [InlineData("""{"peft_type":"LORA","target_modules":7}""", "PF003")]
    [InlineData("""{"peft_type":"LORA","layers_to_transform":-1}""", "PF010")]
    [InlineData("""{"peft_type":"MISS","init_weights":"odd"}""", "PF005")]
    [InlineData("""{"peft_type":"MISS","init_weights":"mini","mini_r":0}""", "PF010")]
    public void Broken_configurations_are_refused(string json, string code) =>
        Assert.Equal(code, Assert.ThrowsAny<MarrowException>(() => Open(json)).Code);

    [Fact]
    public void Unknown_keys_are_kept_with_a_warning()
    {
        using PeftFolder files = Open("""{"peft_type":"LORA","from_the_future":{"b":[1,2.50],"a":null},"auto_mapping":{"x":"y"},"eva_config":{"rho":2.0}}""");
        Assert.Contains("'from_the_future'", Assert.Single(files.Warnings), StringComparison.Ordinal);
        using JsonDocument written = JsonDocument.Parse(PeftConfig.Write(files.Config, new("q_proj"), null));
        Assert.Equal("""{"b":[1,2.50],"a":null}""", JsonSerializer.Serialize(written.RootElement.GetProperty("from_the_future")));
        Assert.Equal("y", written.RootElement.GetProperty("auto_mapping").GetProperty("x").GetString());
    }

    [Fact]
    public void Lora_is_written_with_peft_s_fields_sorted()
    {
        string text = PeftConfig.Write(new LoraConfig { R = 16, LoraAlpha = 32, RankPattern = new([("q_proj", 2)]) }, new("v_proj", "q_proj"), "base");
        using JsonDocument json = JsonDocument.Parse(text);
        string[] keys = [.. json.RootElement.EnumerateObject().Select(p => p.Name)];
        Assert.Equal(keys.Order(StringComparer.Ordinal), keys);
        Assert.Equal(["alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "corda_config", "eva_config", "exclude_modules", "fan_in_fan_out",
            "inference_mode", "init_lora_weights", "layer_replication", "layers_pattern", "layers_to_transform", "loftq_config", "lora_alpha", "lora_bias",
            "lora_dropout", "megatron_config", "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern",
            "revision", "target_modules", "target_parameters", "task_type", "trainable_token_indices", "use_dora", "use_qalora", "use_rslora"], keys);
        Assert.StartsWith("{\n  \"alpha_pattern\": {},\n  \"auto_mapping\": null,\n", text, StringComparison.Ordinal);
        Assert.Contains("\"lora_alpha\": 32,\n", text, StringComparison.Ordinal);
        Assert.Contains("\"lora_dropout\": 0.0,\n", text, StringComparison.Ordinal);
        Assert.Contains("\"inference_mode\": true", text, StringComparison.Ordinal);
        Assert.Contains("\"init_lora_weights\": true", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Bone_is_written_as_miss()
    {
        using JsonDocument json = JsonDocument.Parse(PeftConfig.Write(new MissConfig { R = 16 }, new("q_proj"), null));
        Assert.Equal(["auto_mapping", "base_model_name_or_path", "bias", "exclude_modules", "inference_mode", "init_weights", "layers_pattern", "layers_to_transform",
            "mini_r", "miss_dropout", "modules_to_save", "peft_type", "peft_version", "r", "revision", "target_modules", "task_type"],
            json.RootElement.EnumerateObject().Select(p => p.Name));
        Assert.Equal("MISS", json.RootElement.GetProperty("peft_type").GetString());
        Assert.True(json.RootElement.GetProperty("init_weights").GetBoolean());
    }

    [Fact]
    public void Methods_are_found_by_name_and_alias()
    {
        Assert.Same(AdapterMethods.Find("miss"), AdapterMethods.Find("bone"));
        Assert.Contains("did you mean 'lora'", Assert.Throws<MarrowException>(() => AdapterMethods.Find("loar")).Message, StringComparison.Ordinal);
    }

    private PeftFolder Open(string json, params TensorToWrite[] tensors)
    {
        _folder.Put(PeftConfig.FileName, json);
        SafetensorsWriter.Write(_folder[PeftFolder.TensorFile], tensors);
        return PeftFolder.Open(_folder.Path);
    }
}
