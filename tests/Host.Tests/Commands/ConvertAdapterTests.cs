using System.Text.Json;
using Marrow.Host.Tests.Training;

namespace Marrow.Host.Tests.Commands;

/// <summary>Adapters from kind to kind by the command line: the model computes the same with each.</summary>
public class ConvertAdapterTests
{
    [Fact]
    public void Every_kind_of_adapter_computes_the_same()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), adapter = TinyModel.WriteLora(folder, "adapter");
        byte[] plain = Logits(folder, model), expected = Logits(folder, model, "--adapter", adapter);
        Assert.NotEqual(plain, expected);
        foreach ((string kind, string name) in new[] { ("gguf-lora", "l.gguf"), ("mlx", "mlx"), ("kohya", "k.safetensors"), ("peft", "p") })
        {
            JsonElement report = MarrowProcess.Json("convert", adapter, folder[name], "--to", kind, "--model", model);
            Assert.Equal((kind, "exact", 14), (report.GetProperty("kind").GetString(), report.GetProperty("exactness").GetString(), report.GetProperty("layers").GetArrayLength()));
            Assert.Equal(expected, Logits(folder, model, "--adapter", folder[name]));
            MarrowProcess.Done("convert", folder[name], folder[name + "-back"], "--to", "peft", "--model", model);
            Assert.Equal(expected, Logits(folder, model, "--adapter", folder[name + "-back"]));
            // What most kinds do not say of themselves.
            using var config = JsonDocument.Parse(File.ReadAllText(folder[name + "-back", "adapter_config.json"]));
            Assert.Equal(model, config.RootElement.GetProperty("base_model_name_or_path").GetString());
        }
        MarrowProcess.Refused(["convert", adapter, folder["l.pth"], "--model", model], "is no module of an RWKV model", "[AC004]");
    }

    [Fact]
    public void Rwkv_adapters_go_through_RWKV_PEFT_files()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.WriteRwkv(folder, "model.pth");
        TinyModel.WriteRows(folder);
        MarrowProcess.Done("train", TinyModel.WriteJob(folder, "run", "method: lora, r: 4, lora_alpha: 8", "max_steps: 2", model: model));
        string adapter = folder["run", "adapter"];
        byte[] expected = Logits(folder, model, "--adapter", adapter);
        MarrowProcess.Done("convert", adapter, folder["a.pth"], "--to", "rwkv-peft", "--model", model, "--alpha", "8");
        MarrowProcess.Refused(["convert", folder["a.pth"], folder["b.gguf"], "--model", model], "give the lora_alpha", "[RP006]");
        Assert.Equal(expected, Logits(folder, model, "--adapter", folder["a.pth"], "--adapter-alpha", "8"));
        MarrowProcess.Done("convert", folder["a.pth"], folder["b.gguf"], "--model", model, "--adapter-alpha", "8");
        Assert.Equal(expected, Logits(folder, model, "--adapter", folder["b.gguf"]));
    }

    [Fact]
    public void The_alpha_that_is_asked_for_is_written_and_the_change_stays()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), adapter = TinyModel.WriteLora(folder, "adapter");
        MarrowProcess.Done("convert", adapter, folder["p"], "--alpha", "32");
        using var config = JsonDocument.Parse(File.ReadAllText(folder["p", "adapter_config.json"]));
        Assert.Equal(32, config.RootElement.GetProperty("lora_alpha").GetDouble());
        Assert.Contains(", scale 8", MarrowProcess.Done("convert", adapter, folder["m"], "--to", "mlx", "--alpha", "32"), StringComparison.Ordinal);
        // 32 is four times what it was, which B makes up for without rounding.
        Assert.Equal(Logits(folder, model, "--adapter", adapter), Logits(folder, model, "--adapter", folder["p"]));
    }

    [Fact]
    public void What_became_of_another_method_is_told()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        MarrowProcess.Done("train", TinyModel.WriteJob(folder, "run", "method: bone, r: 4", "max_steps: 1", model: model));
        Assert.Contains("layers of Bone (MiSS) as LoRA, rank 4: exact", MarrowProcess.Done("convert", folder["run", "adapter"], folder["b.gguf"], "--model", model), StringComparison.Ordinal);
        Assert.Contains("layers of Bone (MiSS), rank 4: exact", MarrowProcess.Done("convert", folder["run", "adapter"], folder["b"], "--to", "peft"), StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_merge_changed_comes_back_as_an_adapter()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), adapter = TinyModel.WriteLora(folder, "adapter");
        MarrowProcess.Done("merge", "--model", model, "--adapter", adapter, "--out", folder["merged"], "--device", "cpu");
        JsonElement report = MarrowProcess.Json("convert", folder["merged"], folder["again"], "--to", "peft", "--model", model, "--approximate", "--rank", "4");
        Assert.InRange(report.GetProperty("relative_error").GetDouble(), 0, 1e-5);
        Assert.Equal(14, report.GetProperty("layers").GetArrayLength());
        MarrowProcess.Refused(["convert", folder["merged"], folder["less"], "--to", "peft", "--model", model, "--approximate", "--rank", "1"], "above the limit", "--allow-error", "[AC009]");
        MarrowProcess.Refused(["convert", model, folder["less"], "--to", "peft", "--model", model, "--approximate", "--rank", "4"], "nothing to make LoRA of", "[AC001]");
        Assert.False(Directory.Exists(folder["less"]));
    }

    private static byte[] Logits(TemporaryFolder folder, string model, params string[] options)
    {
        string path = folder[$"{Guid.NewGuid():N}.safetensors"];
        MarrowProcess.Done(["logits", "--model", model, "--tokens", "1 5 9 14 22 3", "--out", path, "--device", "cpu", .. options]);
        return File.ReadAllBytes(path);
    }
}
