using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;

namespace Marrow.Adapters.Tests.RwkvPeft;

/// <summary>RWKV-PEFT's files: what is written comes back, and everything that is odd is refused by name.</summary>
public sealed class RwkvPeftFileTests : IDisposable
{
    private const string Key = "blocks.0.att.key", FfnKey = "blocks.0.ffn.key";
    private readonly CpuDevice _device = new(1);
    private readonly CausalModel _model;
    private readonly TemporaryFolder _folder = new();

    public RwkvPeftFileTests() => _model = TinyModels.Create(_device, "rwkv7");

    public void Dispose()
    {
        _folder.Dispose();
        _model.Dispose();
        _device.Dispose();
    }

    public static TheoryData<AdapterConfig> Configs =>
    [
        new LoraConfig { R = 3, LoraAlpha = 5 },
        new LoraConfig { R = 3, LoraAlpha = 5, RankPattern = new([("value", 2)]) },
        new MissConfig { R = 5 },
        new BatRowConfig { R = 4 },
        new StateConfig(),
        new MissConfig { R = 5, TrainStates = true },
    ];

    [Theory]
    [MemberData(nameof(Configs))]
    public void What_is_written_comes_back(AdapterConfig config)
    {
        config = config with { Targets = new() { ModulesToSave = ["head", "ln1", "x_r", "blocks.1.ln2.bias"] } };
        double? alpha = (config as LoraConfig)?.LoraAlpha;
        float[] logits, values;
        using (var adapted = new AdaptedModel(_model, config, 1))
        {
            TinyLlama.Scramble(adapted);
            logits = TinyLlama.Logits(_model, TinyLlama.Batch());
            values = adapted.Parameters.Values.ToArray();
            adapted.Save(_folder["a.pth"], null);
            Assert.Equal("AD013", Assert.Throws<MarrowException>(() => adapted.Save(_folder["a"], null)).Code);
        }
        using RwkvPeftFile file = RwkvPeftFile.Open(_folder["a.pth"], alpha);
        Assert.True(RwkvPeftFile.IsPresent(file.Tensors));
        Assert.All(file.Tensors.Tensors.Values, t => Assert.Equal(DType.F32, t.DType));
        Assert.Contains("head.weight", file.Tensors.Tensors.Keys);
        Assert.Contains("blocks.1.att.x_r", file.Tensors.Tensors.Keys);
        using AdaptedModel again = AdaptedModel.Load(_model, file);
        Assert.Equal(config.GetType(), again.Config.GetType());
        Assert.Equal(values, again.Parameters.Values.ToArray());
        Assert.Equal(logits, TinyLlama.Logits(_model, TinyLlama.Batch()));
        again.Save(_folder["b.pth"], null);
        Assert.Equal(File.ReadAllBytes(_folder["a.pth"]), File.ReadAllBytes(_folder["b.pth"]));
    }

    [Fact]
    public void Names_are_those_of_rwkv_peft()
    {
        string[] Names(AdapterConfig config)
        {
            using var adapted = new AdaptedModel(_model, config with { Targets = new() { TargetModules = new([Key]) } }, 1);
            adapted.Save(_folder["n.pth"], null);
            using PthFile file = PthFile.Open(_folder["n.pth"]);
            return [.. file.Tensors.Keys];
        }
        Assert.Equal([Key + ".lora_A", Key + ".lora_B"], Names(new LoraConfig()));
        Assert.Equal([Key + ".disha"], Names(new MissConfig { R = 2 }));
        Assert.Equal([Key + ".disha"], Names(new BatRowConfig { R = 2 }));
        Assert.Equal(["blocks.0.att.time_state", "blocks.1.att.time_state"], Names(new StateConfig()));
    }

    [Fact]
    public void Prefixes_older_names_narrow_types_and_replaced_tensors_are_read()
    {
        float[] d = [.. Enumerable.Range(0, 72).Select(i => 0.25f * i)], norm = [.. Enumerable.Range(0, 24).Select(i => 0.5f * i)];
        Put(("model." + Key + ".bone", [3, 24], d), ("model.blocks.0.ln1.weight", [24], norm));
        using AdaptedModel adapted = Load();
        Assert.IsType<MissConfig>(adapted.Config);
        Assert.Equal(d, adapted.Adapters[0].Values[0].ToArray());
        Assert.Equal(norm, _model.Weights.Single(w => w.Name == "blocks.0.ln1.weight").Value.ToArray());
    }

    [Fact]
    public void The_scale_of_lora_must_be_given_and_belongs_to_lora_alone()
    {
        Put((Key + ".lora_A", [2, 24], null), (Key + ".lora_B", [24, 2], null));
        using (RwkvPeftFile file = RwkvPeftFile.Open(_folder["x.pth"]))
        {
            Assert.True(file.LacksAlpha);
            Refuses("RP006", "lora_alpha");
        }
        using (AdaptedModel adapted = Load(7))
            Assert.Equal(7, Assert.IsType<LoraConfig>(adapted.Config).LoraAlpha);
        Put((Key + ".disha", [2, 24], null));
        Refuses("RP006", "no LoRA", 7);
        using (var adapted = new AdaptedModel(_model, new LoraConfig(), 1))
            adapted.Save(_folder["folder"], null);
        Assert.Equal("RP006", Assert.Throws<ModelFileException>(() => AdapterFiles.Open(_folder["folder"], 7)).Code);
    }

    [Fact]
    public void The_model_says_how_bat_is_tied()
    {
        Put((FfnKey + ".disha", [6, 4, 4], null));
        using (AdaptedModel adapted = Load())
            Assert.IsType<BatRowConfig>(adapted.Config);
        Put((FfnKey + ".disha", [9, 4, 4], null), (Key + ".disha", [6, 4, 4], null));
        using (AdaptedModel adapted = Load())
            Assert.IsType<BatConfig>(adapted.Config);
        Put((Key + ".disha", [6, 4, 4], null));
        using RwkvPeftFile square = RwkvPeftFile.Open(_folder["x.pth"]);
        using (AdaptedModel adapted = AdaptedModel.Load(_model, square))
            Assert.IsType<BatRowConfig>(adapted.Config);
        Assert.Contains("square", Assert.Single(square.Warnings), StringComparison.Ordinal);
        Put((FfnKey + ".disha", [9, 4, 4], null), ("blocks.0.ffn.value.disha", [9, 4, 4], null));
        Refuses("RP009", "[9,4,4]");
    }

    [Fact]
    public void Whatever_does_not_fit_is_refused_by_name()
    {
        Put(("blocks.0.ln1.weight", [24], null));
        Refuses("RP001", "no adapter");
        Put(("emb.weight", [31, 24], null), ("blocks.0.att.key.weight", [24, 24], null));
        Refuses("RP001", "whole model");
        Put(("base_model.model." + Key + ".miss_block", [2, 24], null));
        Refuses("RP001", "PEFT");
        Put((Key + ".init_lora_A", [2, 24], null), (Key + ".init_lora_B", [24, 2], null));
        Refuses("RP003", Key + ".init_lora_A");
        Put((Key + ".disha", [2, 24], null), (FfnKey + ".lora_A", [2, 24], null), (FfnKey + ".lora_B", [36, 2], null));
        Refuses("RP004", FfnKey);
        Put((Key + ".disha", [2, 24], null), (Key + ".bone", [2, 24], null));
        Refuses("RP004", Key + ".bone");
        Put((Key + ".lora_A", [2, 24], null));
        Refuses("RP005", "no lora_B", 8);
        Put((Key + ".lora_A", [2, 24], null), (Key + ".lora_B", [24, 3], null));
        Refuses("RP005", "[24,3]", 8);
        Put((Key + ".disha", [2, 24], null), (FfnKey + ".disha", [3, 36], null));
        Refuses("RP005", "[3,36]");
        Put((Key + ".disha", [0, 24], null));
        Refuses("RP005", "[0,24]");
        Put((Key + ".disha", [2, 36], null));
        Refuses("TS002", "[2,36]");
        Put((Key + ".disha", [2, 24], null), ("blocks.0.att.x_q", [1, 1, 24], null));
        Refuses("RP007", "blocks.0.att.x_q");
        Put((Key + ".disha", [2, 24], null), (Key + ".weight", [24, 24], null));
        Refuses("RP008", Key + ".weight");
        Put((Key + ".disha", [2, 24], null), ("blocks.9.att.key.disha", [2, 24], null));
        Refuses("PF007", "blocks.9.att.key.disha");
        Put(("blocks.0.att.time_state", [3, 8, 8], null));
        Refuses("PF006", "blocks.1.att.time_state");
        Put((Key + ".disha", [2, 24], null), ("model." + Key + ".disha", [2, 24], null));
        Refuses("RP004", Key);
        File.Move(_folder["x.pth"], _folder["x.txt"]);
        Assert.Equal("RP002", Assert.Throws<ModelFileException>(() => AdapterFiles.Open(_folder["x.txt"])).Code);
    }

    [Fact]
    public void An_rwkv_adapter_on_another_model_is_refused()
    {
        Put((Key + ".disha", [2, 24], null));
        using Llama llama = TinyLlama.Create(_device);
        using AdapterFiles file = AdapterFiles.Open(_folder["x.pth"]);
        Assert.Equal("RP007", Assert.Throws<ModelFileException>(() => AdaptedModel.Load(llama, file)).Code);
        Assert.All(llama.Linears, l => Assert.Null(l.Adapter));
    }

    [Theory]
    [InlineData("llama", "llama")]
    [InlineData("rslora", "use_rslora")]
    [InlineData("alphas", "alpha_pattern")]
    [InlineData("bat", "bat_row")]
    [InlineData("mini", "mini")]
    public void What_rwkv_peft_lacks_is_not_written(string which, string reason)
    {
        using Llama llama = TinyLlama.Create(_device);
        AdapterConfig config = which switch
        {
            "rslora" => new LoraConfig { UseRslora = true },
            "alphas" => new LoraConfig { AlphaPattern = new([("key", 3)]) },
            "bat" => new BatConfig { R = 2 },
            "mini" => new MissMiniConfig { R = 2 },
            _ => new LoraConfig(),
        };
        using var adapted = new AdaptedModel(which == "llama" ? llama : _model, config, 1);
        var error = Assert.Throws<MarrowException>(() => adapted.Save(_folder["a.pth"], null));
        Assert.Equal("AD013", error.Code);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["a.pth"]));
    }

    [Fact]
    public void Folders_of_methods_that_peft_lacks_carry_a_type_that_it_refuses()
    {
        // PEFT takes a folder by its peft_type alone; these two are not among its types.
        foreach ((AdapterConfig config, string type) in new (AdapterConfig, string)[] { (new BatRowConfig { R = 2 }, "BAT_ROW"), (new StateConfig(), "RWKV_STATE") })
        {
            using var adapted = new AdaptedModel(_model, config, 1);
            adapted.Save(_folder[type], null);
            Assert.Contains($"\"peft_type\": \"{type}\"", File.ReadAllText(_folder[type, PeftConfig.FileName]), StringComparison.Ordinal);
            Assert.Contains("refuses", File.ReadAllText(_folder[type, "README.md"]), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Layer_numbers_of_rwkv_are_written_as_paths_since_peft_does_not_see_them()
    {
        using var adapted = new AdaptedModel(_model, new LoraConfig { R = 2, Targets = new() { TargetModules = new(["key"]), LayersToTransform = [1] } }, 1);
        adapted.Save(_folder["a"], null);
        using PeftFolder folder = PeftFolder.Open(_folder["a"]);
        Assert.Null(folder.Config.Targets.LayersToTransform);
        Assert.Equal(["blocks.1.att.key", "blocks.1.ffn.key"], folder.Config.Targets.TargetModules!.Names!);
    }

    private void Put(params (string Name, long[] Shape, float[]? Values)[] tensors) =>
        PthWriter.Write(_folder["x.pth"], [.. tensors.Select(t => TensorToWrite.FromFloats(t.Name, t.Shape, t.Values ?? new float[t.Shape.Aggregate(1L, (a, b) => a * b)], DType.BF16))]);

    private AdaptedModel Load(double? alpha = null)
    {
        using AdapterFiles file = AdapterFiles.Open(_folder["x.pth"], alpha);
        return AdaptedModel.Load(_model, file);
    }

    private void Refuses(string code, string text, double? alpha = null)
    {
        var error = Assert.Throws<ModelFileException>(() => Load(alpha));
        Assert.Equal(code, error.Code);
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
        Assert.All(_model.Linears, l => Assert.Null(l.Adapter));
    }
}
