using System.Text.Json;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Models;

/// <summary>RWKV-6 and RWKV-7 against other programs: a real small model, and random ones where every parameter group matters.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class RwkvFixtureTests(KernelDevices devices, ITestOutputHelper output)
{
    public static TheoryData<string, string, int> Random
    {
        get
        {
            var cases = new TheoryData<string, string, int>();
            foreach (string kind in new[] { "cpu", "opencl", "cuda" })
                foreach (string name in new[] { "rwkv7-random", "rwkv6-random" })
                    foreach (int index in new[] { 0, 1 })
                        cases.Add(kind, name, index);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Random))]
    public void Logits_loss_gradients_and_final_states(string kind, string name, int index)
    {
        if (!Fixtures.Find(output, $"rwkv_tiny/{name}.json", out string path) || !devices.Find(output, kind, out Device device))
            return;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement one = json.RootElement.GetProperty("cases")[index];
        using CausalModel model = Load(device, path);
        using ParameterSet parameters = Tiny.TrainAll(model);
        if (one.GetProperty("name").GetString() == "zero state")
        {
            foreach (InitialState state in model.InitialStates)
                state.Value!.Clear();
        }
        int[] tokens = Integers(json.RootElement.GetProperty("tokens")), shifted = Integers(json.RootElement.GetProperty("labels_shifted"));
        TokenBatch batch = Tiny.Batch(TokenDataset.From([new TokenExample(tokens, [TokenExample.Ignore, .. shifted[..^1]])]), 0);

        using var tape = new Tape(device) { Recording = true, Training = true };
        float[] logits = Rows(one.GetProperty("logits"));
        Compare.Largest(logits, model.Logits(tape, batch).ToArray(), 5e-5, "logits");
        tape.Clear();
        Tensor loss = model.Loss(tape, batch, 1f / batch.Targets, out _);
        double expected = one.GetProperty("loss").GetDouble();
        Assert.Equal(expected, loss.ToArray()[0], 2e-6 * expected);
        tape.Backward(loss);
        JsonElement gradients = one.GetProperty("gradients");
        Assert.Equal(gradients.EnumerateObject().Select(g => g.Name).Order(), parameters.Parameters.Select(p => p.Name).Order());
        foreach (Parameter parameter in parameters.Parameters)
            Summaries.Check(parameter.Name, gradients.GetProperty(parameter.Name), parameter.Value.Grad!.ToArray());

        tape.Clear();
        using RecurrentState final = model.CreateCarriedState(1);
        var segment = new BatchSegment();
        segment.Fill(batch);
        model.Loss(tape, segment, final, 1f, out _);
        final.Advance(tokens.Length);
        for (int layer = 0; layer < model.Config.LayerCount; layer++)
        {
            // The values grow with the sequence: the limit is relative to the largest.
            Near(one.GetProperty("final_state")[layer], final.Wkv(layer), "final state");
            Near(one.GetProperty("final_att_shift")[layer], final.Attention(layer), "final shift of time mixing");
            Near(one.GetProperty("final_ffn_shift")[layer], final.Channel(layer), "final shift of channel mixing");
        }
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void A_real_model_within_two_millionths(string kind)
    {
        if (!Fixtures.Find(output, "rwkv_tiny/golden-rwkv7.json", out string path) || !devices.Find(output, kind, out Device device))
            return;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        using CausalModel model = Load(device, Path.Combine(Path.GetDirectoryName(path)!, "tiny-rwkv7.safetensors"));
        using var tape = new Tape(device);
        foreach (JsonElement one in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] tokens = Integers(one.GetProperty("tokens"));
            float[] expected = Rows(one.GetProperty("logits"));
            Compare.Largest(expected, model.Logits(tape, Tiny.Batch(TokenDataset.From([new TokenExample(tokens, tokens)]), 0)).ToArray(), 2e-6, $"{one.GetProperty("name")}");
            tape.Clear();
            // Read in two parts, and token by token: the last logits are the same.
            foreach (int part in new[] { Math.Min(20, tokens.Length - 1), 1 })
            {
                using SequenceState state = model.CreateState(tokens.Length);
                float[] last = [];
                for (int at = 0; at < tokens.Length; at += part)
                {
                    last = model.Next(tape, tokens.AsSpan(at, Math.Min(part, tokens.Length - at)), state).ToArray();
                    tape.Clear();
                }
                Compare.Largest(expected.AsSpan(expected.Length - last.Length), last, 2e-6, $"{one.GetProperty("name")} in parts of {part}");
            }
        }
    }

    [Fact]
    public void Gradients_of_the_real_model()
    {
        if (!Fixtures.Find(output, "rwkv_tiny/golden-rwkv7.json", out string path) || !devices.Find(output, "cpu", out Device device))
            return;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement one = json.RootElement.GetProperty("cases")[1];
        using CausalModel model = Load(device, Path.Combine(Path.GetDirectoryName(path)!, "tiny-rwkv7.safetensors"));
        using ParameterSet parameters = Tiny.TrainAll(model);
        int[] tokens = Integers(one.GetProperty("tokens"));
        TokenBatch batch = Tiny.Batch(TokenDataset.From([new TokenExample(tokens, tokens)]), 0);
        using var tape = new Tape(device) { Recording = true, Training = true };
        tape.Backward(model.Loss(tape, batch, 1f / batch.Targets, out _));
        JsonElement gradients = one.GetProperty("gradients");
        foreach (Parameter parameter in parameters.Parameters)
            Summaries.Check(parameter.Name, gradients.GetProperty(parameter.Name), parameter.Value.Grad!.ToArray(), 1e-4);
    }

    private static CausalModel Load(Device device, string path)
    {
        using SafetensorsFile weights = SafetensorsFile.Open(Path.ChangeExtension(path, ".safetensors"));
        return ModelLoader.Load(device, RwkvConfig.Of(weights), weights, DType.F32);
    }

    private static void Near(JsonElement expected, Tensor found, string name)
    {
        float[] values = Rows(expected);
        Compare.Largest(values, found.ToArray(), 1e-5 * Math.Max(1, values.Max(MathF.Abs)), name);
    }

    // Numbers of nested lists, in order.
    private static float[] Rows(JsonElement list) => list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray().SelectMany(Rows)] : [(float)list.GetDouble()];

    private static int[] Integers(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetInt32())];
}
