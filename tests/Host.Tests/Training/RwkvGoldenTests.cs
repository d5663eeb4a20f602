using System.Text.Json;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Training;

/// <summary>An RWKV-7 model, from the files that RWKV users have, against losses, gradient norms, trained values, merged weights and logits of an independent program.</summary>
public class RwkvGoldenTests(ITestOutputHelper output)
{
    /// <summary>The reference data's own limit for losses along a run.</summary>
    private const double LossLimit = 5e-5;

    /// <summary>The norm that Bone's last step has in the reference is off by 4e-5 of its size in single precision.</summary>
    private const double Spread = 10;

    [Theory]
    [InlineData("lora", "model_fp32.pth", "adapter", "method: lora, r: 8, lora_alpha: 16", "peft", "merged.pth")]
    [InlineData("lora", "model.safetensors", "adapter_rwkv_peft.pth", "method: lora, lora_alpha: 16", "rwkv-peft", "merged")]
    [InlineData("bone", "model_fp32.pth", "adapter_rwkv_peft.pth", "method: bone", "rwkv-peft", "merged.pth")]
    [InlineData("bat_row", "model_fp32.pth", "adapter_rwkv_peft.pth", "method: bat_row", "peft", "merged")]
    [InlineData("state", "model_fp32.pth", "state.pth", "method: state, decay_states: true", "rwkv-peft", "merged.pth")]
    public void An_adapter_trains_merges_and_computes_as_the_reference_does(string name, string weights, string file, string adapter, string format, string merged)
    {
        if (!Fixtures.Find(output, "rwkv7", out string root))
            return;
        using var folder = new TemporaryFolder();
        var reference = new GoldenRun(output, folder, root);
        string golden = Path.Combine(root, name), start = Path.Combine(golden, file), model = Path.Combine(root, weights);
        string run = reference.Train(model, $"{adapter}, init_from: '{start}'", $", adapter_format: {format}");
        reference.CompareCurve(golden, run, LossLimit, Spread);
        reference.CompareTrained(golden, format == "peft" ? Path.Combine(run, "adapter", "adapter_model.safetensors") : Path.Combine(run, "adapter.pth"),
            file == "adapter" ? Path.Combine(start, "adapter_model.safetensors") : start);
        // RWKV-PEFT's LoRA files do not hold the scale.
        string[] adapted = ["--model", model, "--adapter", start, .. name == "lora" && file != "adapter" ? ["--adapter-alpha", "16"] : Array.Empty<string>()];
        reference.CompareLogits(Path.Combine(golden, "expected.safetensors"), "logits", adapted);
        reference.CompareMerge(golden, folder[merged], adapted);
        reference.CompareLoss(golden, adapted);
    }

    [Fact]
    public void All_weights_train_as_the_reference_does_also_in_two_parts()
    {
        if (!Fixtures.Find(output, "rwkv7", out string root))
            return;
        using var folder = new TemporaryFolder();
        var reference = new GoldenRun(output, folder, root);
        string golden = Path.Combine(root, "full"), model = Path.Combine(root, "model_fp32.pth");
        reference.Train(model, "method: full", "", "--set", "training.max_steps=4");
        string run = reference.Train(model, "method: full", "", "--resume");
        reference.CompareCurve(golden, run, LossLimit, Spread);
        reference.CompareTrained(golden, Path.Combine(run, "model", "model.safetensors"), model);
        Assert.Equal("RWKV model", MarrowProcess.Json("inspect", Path.Combine(run, "model"), "--values").GetProperty("kind").GetString());
    }

    [Theory]
    [InlineData("model_fp32.pth", "F32", "logits")]
    [InlineData("model_bf16.pth", "BF16", "logits_bf16_weights")]
    [InlineData("model.safetensors", "F32", "logits")]
    public void A_file_alone_is_a_model(string weights, string dtype, string expected)
    {
        if (!Fixtures.Find(output, "rwkv7", out string root))
            return;
        using var folder = new TemporaryFolder();
        var reference = new GoldenRun(output, folder, root);
        string model = Path.Combine(root, weights);
        JsonElement inspected = MarrowProcess.Json("inspect", model, "--values");
        Assert.Equal(("RWKV model", 69, 0), (inspected.GetProperty("kind").GetString(), inspected.GetProperty("tensors").GetArrayLength(), inspected.GetProperty("problems").GetArrayLength()));
        Assert.Equal([dtype], inspected.GetProperty("tensors").EnumerateArray().Select(t => t.GetProperty("dtype").GetString()).Distinct());
        reference.CompareLogits(Path.Combine(root, "expected.safetensors"), expected, "--model", model);
        if (dtype == "F32")
            reference.CompareLoss(root, "--model", model);
    }

    [Fact]
    public void One_adapter_writes_the_same_text_from_either_form()
    {
        if (!Fixtures.Find(output, "rwkv7", out string root))
            return;
        string Tokens(string model, params string[] adapter) =>
            MarrowProcess.Json(["generate", "--model", Path.Combine(root, model), .. adapter, "--tokens", "5 6 7", "--max-tokens", "24", "--device", "cpu"]).GetProperty("tokens").ToString();
        string plain = Tokens("model_fp32.pth"), adapted = Tokens("model_fp32.pth", "--adapter", Path.Combine(root, "lora", "adapter"));
        Assert.Equal(adapted, Tokens("model.safetensors", "--adapter", Path.Combine(root, "lora", "adapter_rwkv_peft.pth"), "--adapter-alpha", "16"));
        Assert.NotEqual(plain, adapted);
    }
}
