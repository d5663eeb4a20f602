using Xunit.Abstractions;

namespace Marrow.Host.Tests.Training;

/// <summary>Every method against the losses, gradient norms, adapters, merged weights and logits of an independent program.</summary>
public class GoldenTrainingTests(ITestOutputHelper output)
{
    /// <summary>Ten times the distance between the reference in single and in double precision.</summary>
    private const double LossLimit = 5e-6;

    [Theory]
    [InlineData("lora", "method: lora, r: 8, lora_alpha: 16")]
    [InlineData("rslora", "method: lora, r: 8, lora_alpha: 16, use_rslora: true")]
    [InlineData("dora", "method: dora, r: 4, lora_alpha: 8")]
    [InlineData("bone", "method: bone, r: 16")]
    [InlineData("bat", "method: bat, r: 16")]
    [InlineData("miss", "method: miss, r: 8")]
    [InlineData("miss_pad", "method: miss, r: 24")]
    [InlineData("miss_mini", "method: mini, r: 8, mini_r: 16")]
    public void An_adapter_trains_merges_and_computes_as_the_reference_does(string name, string adapter)
    {
        if (!Fixtures.Find(output, "llama_a", out string llama))
            return;
        using var folder = new TemporaryFolder();
        var reference = new GoldenRun(output, folder, llama);
        string golden = Path.Combine(llama, name), start = Path.Combine(golden, "adapter"), model = Path.Combine(llama, "model");
        string run = reference.Train(model, $"{adapter}, init_from: '{start}'");
        reference.CompareCurve(golden, run, LossLimit);
        reference.CompareTrained(golden, Path.Combine(run, "adapter", "adapter_model.safetensors"), Path.Combine(start, "adapter_model.safetensors"));
        string[] adapted = ["--model", model, "--adapter", start];
        reference.CompareLogits(Path.Combine(golden, "expected.safetensors"), "logits", adapted);
        reference.CompareMerge(golden, folder["merged"], adapted);
        reference.CompareLoss(golden, adapted);
    }

    [Fact]
    public void All_weights_train_as_the_reference_does()
    {
        if (!Fixtures.Find(output, "llama_a", out string llama))
            return;
        using var folder = new TemporaryFolder();
        var reference = new GoldenRun(output, folder, llama);
        string golden = Path.Combine(llama, "full"), model = Path.Combine(llama, "model"), run = reference.Train(model, "method: full");
        reference.CompareCurve(golden, run, LossLimit);
        reference.CompareTrained(golden, Path.Combine(run, "model", "model.safetensors"), Path.Combine(model, "model.safetensors"));
        MarrowProcess.Done("inspect", Path.Combine(run, "model"), "--values");
    }
}
