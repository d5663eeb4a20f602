using System.Text.Json;
using Marrow.Host.Tests.Training;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Devices;

/// <summary>RWKV models on the OpenCL device of this machine, through the command line.</summary>
public class RwkvOpenClTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(7, "method: bone, r: 4")]
    [InlineData(6, "method: state")]
    public void Trains_and_computes_as_on_the_cpu(int version, string adapter)
    {
        if (!OpenClHere.Found(output))
            return;
        using var folder = new TemporaryFolder();
        string model = TinyModel.WriteRwkv(folder, "model.pth", version);
        TinyModel.WriteRows(folder);
        double[] Curve(string on, string activations = "auto")
        {
            string run = $"{on}-{activations}";
            string job = TinyModel.WriteJob(folder, run, adapter, "max_steps: 4, segment_length: 4", device: on, model: model);
            JsonElement device = MarrowProcess.Json("train", job, "--set", $"model.activations={activations}").GetProperty("device");
            Assert.StartsWith(on, device.GetProperty("name").GetString(), StringComparison.Ordinal);
            Assert.Equal(activations == "bf16" ? "bf16" : "fp32", device.GetProperty("activations").GetString());
            return [.. TrainingFiles.Metric(folder[run], "loss"), .. TrainingFiles.Metric(folder[run], "grad_norm")];
        }

        double[] cpu = Curve("cpu"), full = Curve("opencl"), narrow = Curve("opencl", "bf16");
        double Apart(double[] curve) => curve.Zip(cpu, (a, b) => Math.Abs(a - b) / b).Max();
        output.WriteLine($"losses and gradient norms differ by {Apart(full):g3} of their size, with bf16 activations by {Apart(narrow):g3}");
        Assert.Equal((8, 8, 8), (cpu.Length, full.Length, narrow.Length));
        Assert.InRange(Apart(full), 0, 1e-3);
        Assert.InRange(Apart(narrow), 1e-9, 0.05);
        string Tokens(string on) => MarrowProcess.Json("generate", "--model", model, "--adapter", folder["cpu-auto", "adapter"], "--tokens", "1 2 3 4", "--max-tokens", "8", "--device", on).GetProperty("tokens").ToString();
        Assert.Equal(Tokens("cpu"), Tokens("opencl"));
    }
}
