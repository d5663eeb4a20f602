using System.Text.Json;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Models;

/// <summary>Members of the family with rope scaling, biases, head norms, tied embeddings and soft caps against another program in double precision, single and packed.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class FamilyFixtureTests(KernelDevices devices, ITestOutputHelper output)
{
    public static TheoryData<string, string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, string, int>();
            foreach (string kind in new[] { "cpu", "opencl", "cuda" })
                foreach (string name in new[] { "llama3-rope", "qwen2-yarn", "qwen3", "gemma2" })
                    foreach (int index in new[] { 0, 1 })
                        cases.Add(kind, name, index);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Logits_loss_and_gradients(string kind, string name, int index)
    {
        if (!Fixtures.Find(output, $"llama_family/{name}.json", out string path) || !devices.Find(output, kind, out Device device))
            return;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement one = json.RootElement.GetProperty("cases")[index];
        using SafetensorsFile weights = SafetensorsFile.Open(Path.ChangeExtension(path, ".safetensors"));
        using CausalModel model = ModelLoader.Load(device, LlamaConfig.Parse(json.RootElement.GetProperty("config").GetRawText(), path), weights);
        using ParameterSet parameters = Tiny.TrainAll(model);
        TokenDataset data = Sequences(json.RootElement, one);
        Assert.Equal(index + 1, data.Count);
        TokenBatch batch = Tiny.Batch(data, [.. Enumerable.Range(0, data.Count)]);

        using var tape = new Tape(device) { Recording = true, Training = true };
        float[] logits = [.. one.GetProperty("logits").EnumerateArray().SelectMany(Numbers)];
        Compare.Largest(logits, model.Logits(tape, batch).ToArray(), 2e-5 * logits.Max(MathF.Abs), "logits");
        tape.Clear();
        Tensor loss = model.Loss(tape, batch, 1f / batch.Targets, out _);
        double expected = one.GetProperty("loss").GetDouble();
        Assert.Equal(expected, loss.ToArray()[0], 2e-6 * expected);
        tape.Backward(loss);
        JsonElement gradients = one.GetProperty("gradients");
        Assert.Equal(gradients.EnumerateObject().Select(g => g.Name).Order(), parameters.Parameters.Select(p => p.Name).Order());
        foreach (Parameter parameter in parameters.Parameters)
            Summaries.Check(parameter.Name, gradients.GetProperty(parameter.Name), parameter.Value.Grad!.ToArray());
    }

    // The file's labels stand at the row that predicts them; ours stand at the token.
    private static TokenDataset Sequences(JsonElement root, JsonElement one)
    {
        int[] tokens = Integers(root.GetProperty("tokens")), segments = Integers(one.GetProperty("segment")), shifted = Integers(one.GetProperty("labels_shifted"));
        return TokenDataset.From(Enumerable.Range(0, tokens.Length).GroupBy(t => segments[t]).Select(rows =>
        {
            int[] at = [.. rows];
            Assert.Equal(TokenExample.Ignore, shifted[at[^1]]);
            return new TokenExample([.. at.Select(t => tokens[t])], [TokenExample.Ignore, .. at[..^1].Select(t => shifted[t])]);
        }));
    }

    private static float[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(e => (float)e.GetDouble())];

    private static int[] Integers(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetInt32())];
}
