using Xunit.Abstractions;

namespace Marrow.Host.Tests.LlamaCpp;

/// <summary>Adapters that Marrow trains, written as GGUF-LoRA and applied by llama.cpp, and merged into GGUF files: both give what Marrow's adapter gives.</summary>
public sealed class JudgedAdapterTests(LlamaCppProcess judge, ITestOutputHelper output) : IClassFixture<LlamaCppProcess>
{
    private const double Close = 2e-4;

    public static TheoryData<string, string> Cases => new()
    {
        { "llama", "method: lora, r: 4, lora_alpha: 12" },
        { "llama", "method: lora, r: 4, lora_alpha: 12, use_rslora: true" },
        { "llama", "method: bone, r: 12" },
        { "qwen2", "method: lora, r: 4, lora_alpha: 8" },
        { "qwen3", "method: bone, r: 16" },
        { "gemma2", "method: lora, r: 4, lora_alpha: 8" },
        { "rwkv7", "method: lora, r: 4, lora_alpha: 8, target_modules: [receptance, key, value, output]" },
        { "rwkv7", "method: bone, r: 16, target_modules: [receptance, key, value, output]" },
        { "rwkv6", "method: lora, r: 4, lora_alpha: 8, target_modules: [receptance, key, value, gate, output]" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_trained_adapter_computes_in_llama_cpp_as_here(string family, string adapter)
    {
        if (!judge.IsHere(output))
            return;
        using var folder = new TemporaryFolder();
        string model = SmallModel.Write(folder["model"], family), run = folder["run"];
        File.WriteAllText(folder["train.jsonl"], string.Concat(Enumerable.Range(0, 8).Select(i => $$"""{"input_ids": [{{string.Join(", ", Enumerable.Range(0, 16).Select(j => (i * 31 + j * 7) % 390))}}]}""" + "\n")));
        File.WriteAllText(folder["job.yaml"], $$"""
            schema: marrow/job/v1
            model: { path: {{model}}, device: cpu }
            adapter: { {{adapter}} }
            data: { train: {{folder["train.jsonl"]}}, format: tokens }
            training: { max_steps: 6, batch_size: 4, learning_rate: 2e-2 }
            output: { dir: {{run}} }
            """);
        MarrowProcess.Done("train", folder["job.yaml"]);
        string trained = Path.Combine(run, "adapter"), file = folder["model.gguf"], lora = folder["adapter.gguf"];
        MarrowProcess.Done("convert", model, file);
        MarrowProcess.Done("convert", trained, lora, "--model", model);
        float[][] plain = JudgedModelTests.Logits(folder, model), ours = JudgedModelTests.Logits(folder, model, "--adapter", trained);
        double effect = JudgedModelTests.Difference(plain, ours);
        Assert.True(effect > 0.02, $"training changed the logits by only {effect:g3} of their spread");

        double applied = JudgedModelTests.Difference(ours, judge.Ask(new(file, JudgedModelTests.Tokens, [new(lora)])).Logits!);
        // The same file, on the GGUF model, here.
        double here = JudgedModelTests.Difference(ours, JudgedModelTests.Logits(folder, file, "--adapter", lora));
        MarrowProcess.Done("merge", "--model", model, "--adapter", trained, "--out", folder["merged.gguf"]);
        double merged = JudgedModelTests.Difference(ours, judge.Ask(new(folder["merged.gguf"], JudgedModelTests.Tokens)).Logits!);
        output.WriteLine($"{family}, {adapter}: the adapter moves the logits by {effect:g3} of their spread; llama.cpp differs by {applied:g3} with the adapter and by {merged:g3} merged, Marrow with the GGUF files by {here:g3}");
        double most = family.StartsWith("gemma", StringComparison.Ordinal) ? 5e-4 : Close;
        Assert.InRange(applied, 0, most);
        Assert.InRange(here, 0, 1e-5);
        Assert.InRange(merged, 0, most);
    }
}
