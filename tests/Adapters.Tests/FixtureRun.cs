using System.Text.Json;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests;

/// <summary>What is compared with the reference data of a model's folder and of the methods in it.</summary>
internal static class FixtureRun
{
    private const string Prefix = "base_model.model.";

    /// <summary>Two sequences of 24; the pads at the end of the second are ordinary tokens.</summary>
    public static TokenBatch Batch(string root)
    {
        TokenBatch batch = TinyLlama.Batch(Examples(root));
        Assert.Equal(35, batch.Targets);
        return batch;
    }

    /// <summary>Loss and the gradient of every trained tensor before the first step.</summary>
    public static void CheckGradients(string folder, FineTuning tuned, TokenBatch batch)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        float loss = TinyLlama.Loss(tuned.Model, batch, backward: true);
        Assert.Equal(json.RootElement.GetProperty("loss_f64").GetDouble(), loss, 1e-5);
        using var gradients = SafetensorsFile.Open(Path.Combine(folder, "grads.safetensors"));
        Assert.Equal(gradients.Tensors.Count, tuned.Parameters.Parameters.Count);
        double errors = 0, squares = 0;
        foreach (Parameter parameter in tuned.Parameters.Parameters)
        {
            float[] want = gradients.ReadFloats(NameIn(gradients, parameter.Name)), got = parameter.Value.Grad!.ToArray();
            Assert.True(TinyLlama.LargestDifference(want, got) <= 5e-5f * want.Max(Math.Abs), parameter.Name);
            errors += want.Zip(got, (a, b) => Math.Pow((double)a - b, 2)).Sum();
            squares += want.Sum(v => (double)v * v);
        }
        Assert.InRange(Math.Sqrt(errors / squares), 0, 2e-5);
        Assert.Equal(1, Math.Sqrt(squares) / json.RootElement.GetProperty("grad_norms_before_clip")[0].GetDouble(), 2e-5);
    }

    /// <summary>
    /// Ten steps on the fixture's batch; the largest difference of the losses, that of the norms as a part of them (beyond ten times the distance between the
    /// reference in single and in double precision, which grows in some runs), how far the trained tensors end from the
    /// reference's as a part of their way, and the largest difference of a single value.
    /// </summary>
    public static (double Loss, double Norm, double Distance, double Farthest) Train(ITestOutputHelper output, string root, string name, FineTuning tuned)
    {
        string folder = Path.Combine(root, name);
        float[][] start = [.. tuned.Parameters.Parameters.Select(p => p.Value.ToArray())];
        var options = new TrainingOptions { MaxSteps = 10, BatchSize = 2, LearningRate = 1e-3, Shuffle = false };
        using var trainer = new Trainer(tuned.Model, tuned.Parameters, TokenDataset.From(Examples(root)), options, decays: tuned.Decays);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        double loss = 0, norm = 0, difference = 0, way = 0, farthest = 0;
        for (int i = 0; i < 10; i++)
        {
            StepReport report = trainer.RunStep();
            double exact = json.RootElement.GetProperty("grad_norms_before_clip_f64")[i].GetDouble(), single = json.RootElement.GetProperty("grad_norms_before_clip")[i].GetDouble();
            loss = Math.Max(loss, Math.Abs(report.Loss - json.RootElement.GetProperty("losses")[i].GetDouble()));
            norm = Math.Max(norm, (Math.Abs(report.GradNorm - exact) - 10 * Math.Abs(single - exact)) / exact);
        }
        using var final = SafetensorsFile.Open(Path.Combine(folder, "final.safetensors"));
        for (int p = 0; p < start.Length; p++)
        {
            Parameter parameter = tuned.Parameters.Parameters[p];
            float[] want = final.ReadFloats(NameIn(final, parameter.Name)), got = parameter.Value.ToArray();
            farthest = Math.Max(farthest, TinyLlama.LargestDifference(want, got));
            difference += want.Zip(got, (a, b) => Math.Pow((double)a - b, 2)).Sum();
            way += want.Zip(start[p], (a, b) => Math.Pow((double)a - b, 2)).Sum();
        }
        double distance = Math.Sqrt(difference / way);
        output.WriteLine($"{name}: losses differ by {loss:g3}, norms by {norm:g3} of their size, the trained values by {distance:g3} of their way and by {farthest:g3} at most");
        return (loss, norm, distance, farthest);
    }

    private static TokenExample[] Examples(string root)
    {
        using var file = SafetensorsFile.Open(Path.Combine(root, "batch.safetensors"));
        int[] ids = [.. file.ReadInt64s("input_ids").Select(v => (int)v)], labels = [.. file.ReadInt64s("labels").Select(v => (int)v)];
        return [new(ids[..24], labels[..24]), new(ids[24..], labels[24..])];
    }

    // The fixtures call the same tensor by PEFT's present or earlier name, or by RWKV-PEFT's.
    private static string NameIn(SafetensorsFile file, string name)
    {
        string plain = name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;
        string[] names = [name, name.Replace("miss_block", "bone_block", StringComparison.Ordinal), plain, plain.Replace(".weight", "", StringComparison.Ordinal),
            plain.Replace("miss_block", "disha", StringComparison.Ordinal)];
        return names.First(file.Tensors.ContainsKey);
    }
}
