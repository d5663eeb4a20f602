using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Peft;

public sealed class PeftFolderTests : IDisposable
{
    private const string At = "base_model.model.model.layers.";
    private readonly CpuDevice _device = new(1);
    private readonly Llama _model;
    private readonly TemporaryFolder _folder = new();

    public PeftFolderTests() => _model = TinyLlama.Create(_device);

    public void Dispose()
    {
        _folder.Dispose();
        _model.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData("{0}.lora_A.default.weight", DType.F32)]
    [InlineData("{0}.lora_A.my-adapter.weight", DType.F16)]
    [InlineData("{0}.lora_A.weight", DType.BF16)]
    public void Names_with_the_adapter_s_name_and_narrow_types_are_read(string form, DType type)
    {
        float[] a = [.. Enumerable.Range(0, 48).Select(i => i * 0.25f)];
        Put("""{"peft_type":"LORA","r":2,"target_modules":["model.layers.1.self_attn.q_proj"],"modules_to_save":["lm_head"]}""",
            TensorToWrite.FromFloats(string.Format(null, form, At + "1.self_attn.q_proj"), [2, 24], a, type),
            TensorToWrite.FromFloats(string.Format(null, form.Replace("lora_A", "lora_B", StringComparison.Ordinal), At + "1.self_attn.q_proj"), [12, 2], new float[24], type),
            TensorToWrite.FromFloats("base_model.model.lm_head.modules_to_save.default.weight", [31, 24], new float[744], type));
        using AdaptedModel adapted = Load();
        Assert.Equal(a, adapted.Adapters[0].Values[0].ToArray());
        Assert.All(TinyLlama.Logits(_model, TinyLlama.Batch()), v => Assert.Equal(0, v));
    }

    [Fact]
    public void Old_bone_files_are_read_and_written_as_miss()
    {
        float[] d = [.. Enumerable.Range(0, 36).Select(i => i * 0.01f)];
        Put("""{"peft_type":"BONE","r":3,"init_weights":true,"target_modules":["model.layers.0.self_attn.q_proj"]}""",
            TensorToWrite.FromFloats(At + "0.self_attn.q_proj.bone_block", [3, 12], d));
        using AdaptedModel adapted = Load();
        Assert.Equal(d, adapted.Adapters[0].Values[0].ToArray());
        PeftFolder.Write(_folder["new"], adapted);
        using PeftFolder again = PeftFolder.Open(_folder["new"]);
        Assert.Equal([At + "0.self_attn.q_proj.miss_block"], again.Tensors.Tensors.Keys);
        Assert.Contains("\"MISS\"", File.ReadAllText(_folder["new", PeftConfig.FileName]), StringComparison.Ordinal);
        Assert.Contains("model.layers.0.self_attn.q_proj", again.Config.Targets.TargetModules!.Names!);
    }

    [Fact]
    public void An_early_bone_computes_as_bat()
    {
        float[] blocks = [.. Enumerable.Range(0, 24).Select(i => i * 0.01f)];
        Put("""{"peft_type":"BONE","r":2,"init_weights":true,"target_modules":["model.layers.0.self_attn.q_proj"]}""",
            TensorToWrite.FromFloats(At + "0.self_attn.q_proj.bone_block", [6, 2, 2], blocks));
        using AdaptedModel adapted = Load();
        Assert.IsType<BatConfig>(adapted.Config);
        Assert.Equal(blocks, adapted.Adapters[0].Values[0].ToArray());
    }

    [Fact]
    public void A_missing_tensor_and_a_tensor_too_many_are_named()
    {
        Put("""{"peft_type":"MISS","r":2,"target_modules":["q_proj"]}""", TensorToWrite.FromFloats(At + "0.self_attn.q_proj.miss_block", [2, 12], new float[24]));
        Refuses("PF006", At + "1.self_attn.q_proj.miss_block");
        Put("""{"peft_type":"MISS","r":2,"target_modules":["model.layers.0.self_attn.q_proj"]}""",
            TensorToWrite.FromFloats(At + "0.self_attn.q_proj.miss_block", [2, 12], new float[24]),
            TensorToWrite.FromFloats(At + "0.self_attn.k_proj.miss_block", [2, 4], new float[8]));
        Refuses("PF007", At + "0.self_attn.k_proj.miss_block");
        Put("""{"peft_type":"MISS","r":2,"target_modules":["model.layers.0.self_attn.q_proj"]}""",
            TensorToWrite.FromFloats(At + "0.self_attn.q_proj.miss_block", [2, 12], new float[24]),
            TensorToWrite.FromFloats(At + "0.self_attn.q_proj.miss_block.other", [2, 12], new float[24]));
        Refuses("PF008", "miss_block.other");
    }

    [Fact]
    public void A_wrong_shape_is_told_with_both()
    {
        Put("""{"peft_type":"MISS","r":2,"target_modules":["model.layers.0.self_attn.q_proj"]}""",
            TensorToWrite.FromFloats(At + "0.self_attn.q_proj.miss_block", [3, 12], new float[36]));
        Refuses("TS002", "[3,12]", "[2,12]");
        Put("""{"peft_type":"MISS","r":2,"target_modules":["model.layers.0.self_attn.q_proj"]}""",
            TensorToWrite.FromInt64s(At + "0.self_attn.q_proj.miss_block", [2, 12], new long[24]));
        Refuses("TS003", "I64");
    }

    [Fact]
    public void A_huge_rank_takes_no_memory()
    {
        Put("""{"peft_type":"LORA","r":1048576,"target_modules":"all-linear"}""");
        Refuses("PF006", "28 of 28");
        _folder.Put(PeftConfig.FileName, """{"peft_type":"LORA","rank_pattern":{"q_proj":1e300}}""");
        Assert.Equal("AD001", Assert.Throws<MarrowException>(() => PeftFolder.Open(_folder.Path)).Code);
        var config = new LoraConfig { R = int.MaxValue };
        Assert.Equal("AD010", Assert.Throws<MarrowException>(() => new AdaptedModel(_model, config, 1)).Code);
    }

    [Fact]
    public void Folders_that_are_something_else_are_told_apart()
    {
        Assert.Equal("PF001", Assert.Throws<ModelFileException>(() => PeftFolder.Open(_folder["none"])).Code);
        _folder.Put("config.json", "{}");
        Assert.Contains("model's folder", Assert.Throws<ModelFileException>(() => PeftFolder.Open(_folder.Path)).Message, StringComparison.Ordinal);
        _folder.Put(PeftConfig.FileName, "{}");
        Assert.Equal("PF009", Assert.Throws<ModelFileException>(() => PeftFolder.Open(_folder.Path)).Code);
    }

    [Fact]
    public void All_linear_and_defaults_are_written_as_names()
    {
        using (var adapted = new AdaptedModel(_model, new MissConfig { R = 2, Targets = new() { TargetModules = new("all-linear") } }, 1))
            PeftFolder.Write(_folder["all"], adapted);
        using (var adapted = new AdaptedModel(_model, new MissConfig { R = 2 }, 1))
            PeftFolder.Write(_folder["usual"], adapted);
        using PeftFolder all = PeftFolder.Open(_folder["all"]), usual = PeftFolder.Open(_folder["usual"]);
        Assert.Equal(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], all.Config.Targets.TargetModules!.Names!);
        Assert.Equal(["q_proj", "v_proj"], usual.Config.Targets.TargetModules!.Names!);
    }

    private void Put(string config, params TensorToWrite[] tensors)
    {
        _folder.Put(PeftConfig.FileName, config);
        SafetensorsWriter.Write(_folder[PeftFolder.TensorFile], tensors);
    }

    private AdaptedModel Load()
    {
        using PeftFolder files = PeftFolder.Open(_folder.Path);
        return AdaptedModel.Load(_model, files);
    }

    private void Refuses(string code, params string[] parts)
    {
        var error = Assert.Throws<ModelFileException>(() => Load());
        Assert.Equal(code, error.Code);
        Assert.All(parts, p => Assert.Contains(p, error.Message, StringComparison.Ordinal));
        Assert.All(_model.Linears, l => Assert.Null(l.Adapter));
    }
}
