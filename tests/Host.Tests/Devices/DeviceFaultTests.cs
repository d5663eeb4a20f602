using System.Text.Json;
using Marrow.Engine.Devices;
using Marrow.Host.Tests.Training;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Devices;

/// <summary>Devices that are not there, that fail, or that have too little memory: a clear error, and nothing is lost.</summary>
public class DeviceFaultTests(ITestOutputHelper output)
{
    [Fact]
    public void A_device_that_is_not_there_is_refused_with_the_reason()
    {
        using TemporaryFolder folder = Files();
        string[] logits = ["logits", "--model", folder["model"], "--tokens", "1 2", "--out", folder["x.safetensors"]];
        Fail(2, "DV001", [.. logits, "--device", "gpu"], "cuda:N");
        Fail(2, "DV002", [.. logits, "--device", "opencl:99"], "opencl:99");
        Fail(2, "CL006", [.. logits, "--device", "cpu", "--dump-kernels", folder["kernels"]], "--device");
        Fail(2, "MP004", [.. logits, "--device", "cpu", "--activations", "bf16"], "fp32");
        Fail(2, "DV022", ["tune", "--device", "cpu"], "marrow doctor");
        if (DeviceCatalog.List().All(d => !d.Name.StartsWith("cuda:", StringComparison.Ordinal)))
            Fail(2, "DV002", [.. logits, "--device", "cuda"], "cuda");
        else
            output.WriteLine("skipped: how the absence of CUDA is told; it is here");
    }

    [Fact]
    public void Too_little_memory_is_told_on_every_device()
    {
        using TemporaryFolder folder = Files();
        string[] logits = ["logits", "--model", folder["model"], "--tokens", "1 2", "--out", folder["x.safetensors"], "--device-memory", "0.00001"];
        foreach (string device in OpenClHere.Found(output) ? new[] { "cpu", "opencl" } : ["cpu"])
            Fail(1, "E901", [.. logits, "--device", device], device, " of 10 KiB");
        Fail(2, "ME001", ["train", folder["run.yaml"], "--set", "model.device_memory=0.00001"], "training.batch_size");
        Assert.False(Directory.Exists(folder["run"]));
    }

    [Fact]
    public void Memory_that_runs_out_in_the_middle_loses_nothing_that_was_saved()
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        // The examples to evaluate on are longer than those to train on: the first evaluation is what does not fit.
        folder.Put("long.jsonl", TrainingFiles.TokenRows(Enumerable.Range(0, 3).Select(_ => (Enumerable.Range(0, 64).Select(t => (long)t).ToArray(), Enumerable.Range(0, 64).Select(t => (long)t).ToArray()))));
        string Job(string run) => TinyModel.WriteJob(folder, run, training: "max_steps: 8, save_steps: 2, eval_steps: 5", data: $", eval: '{folder["long.jsonl"]}'");
        Assert.Equal(0, MarrowProcess.Run("train", Job("whole"), "--device", "opencl").ExitCode);
        Fail(1, "E901", ["train", Job("parts"), "--device", "opencl", "--set", "model.device_memory=0.00027"], "opencl:", "batch_size");
        JsonElement manifest = TrainingFiles.Json(folder["parts", "manifest.json"]);
        Assert.Equal("failed", manifest.GetProperty("status").GetString());
        Assert.True(Directory.Exists(folder["parts", "checkpoints/step-4"]));
        MarrowProcess.Result resumed = MarrowProcess.Run("train", Job("parts"), "--device", "opencl", "--resume");
        Assert.True(resumed.ExitCode == 0, resumed.Errors);
        Assert.Contains("resumed after step 4", resumed.Errors, StringComparison.Ordinal);
        foreach (string property in new[] { "loss", "eval_loss" })
            Assert.Equal(TrainingFiles.Metric(folder["whole"], property), TrainingFiles.Metric(folder["parts"], property));
    }

    [Fact]
    public void Kernels_can_be_shown_and_one_that_does_not_build_is_told()
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        string[] logits = ["logits", "--model", folder["model"], "--tokens", "1 2 3", "--out", folder["x.safetensors"], "--device", "opencl"];
        Assert.Equal(0, MarrowProcess.Run([.. logits, "--dump-kernels", folder["kernels"]]).ExitCode);
        Assert.Contains(Directory.GetFiles(folder["kernels"]), f => File.ReadAllText(f).Contains("__kernel", StringComparison.Ordinal));
        MarrowProcess.Result refused = MarrowProcess.RunWith("MARROW_KERNEL_OPTIONS", "-Dget_group_id=no_such_function", logits);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("[DV011]", refused.Errors, StringComparison.Ordinal);
        Assert.Contains("no_such_function", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_fails_does_not_keep_doctor_from_the_others()
    {
        if (!OpenClHere.Found(output))
            return;
        MarrowProcess.Result doctor = MarrowProcess.RunWith("MARROW_KERNEL_OPTIONS", "-Dget_group_id=no_such_function", "doctor", "--json");
        Assert.Equal(1, doctor.ExitCode);
        JsonElement[] devices = [.. JsonDocument.Parse(doctor.Output).RootElement.GetProperty("devices").EnumerateArray()];
        Assert.False(devices.First(d => d.GetProperty("name").GetString()!.StartsWith("opencl:", StringComparison.Ordinal)).GetProperty("passed").GetBoolean());
        JsonElement cpu = devices.Single(d => d.GetProperty("name").GetString() == "cpu");
        Assert.True(cpu.GetProperty("passed").GetBoolean() && cpu.GetProperty("ops").GetArrayLength() > 10);
    }


    [Fact]
    public void A_device_that_computes_wrongly_gets_no_job()
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        // A driver whose groups all take themselves for the first.
        const string options = "-Dget_group_id=get_global_offset";
        MarrowProcess.Result refused = MarrowProcess.RunWith("MARROW_KERNEL_OPTIONS", options, "train", folder["run.yaml"], "--device", "opencl");
        Assert.Equal(1, refused.ExitCode);
        foreach (string said in new[] { "[DV020]", "opencl:", "wrongly", "marrow doctor" })
            Assert.Contains(said, refused.Errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["run"]));
    }

    [Fact]
    public void A_run_changes_its_device_only_when_told_to_and_says_so()
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        string job = TinyModel.WriteJob(folder, "moved", training: "max_steps: 6, save_steps: 2", device: "auto");
        string auto = JsonDocument.Parse(MarrowProcess.Run("train", job, "--dry-run", "--json").Output).RootElement.GetProperty("device").GetProperty("name").GetString()!;
        (string first, string then) = auto == "cpu" ? ("opencl", "cpu") : ("cpu", "opencl");
        Assert.Equal(0, MarrowProcess.Run("train", job, "--device", first, "--set", "training.max_steps=4").ExitCode);
        string before = File.ReadAllText(folder["moved", "manifest.json"]);
        Fail(2, "RN008", ["train", job, "--resume"], $"--device {first}", "auto");
        Assert.Equal(before, File.ReadAllText(folder["moved", "manifest.json"]));
        MarrowProcess.Result moved = MarrowProcess.Run("train", job, "--device", then, "--resume");
        Assert.True(moved.ExitCode == 0, moved.Errors);
        Assert.Contains("its bits are not those of a run on one device", moved.Errors, StringComparison.Ordinal);
        JsonElement manifest = TrainingFiles.Json(folder["moved", "manifest.json"]);
        Assert.Equal(6, manifest.GetProperty("steps").GetInt32());
        Assert.StartsWith(first, manifest.GetProperty("earlier_devices")[0].GetString(), StringComparison.Ordinal);
    }

    private static TemporaryFolder Files()
    {
        var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        TinyModel.WriteJob(folder, "run");
        return folder;
    }

    private static void Fail(int exitCode, string code, string[] args, params string[] said)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.True(result.ExitCode == exitCode, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
        foreach (string text in said.Append($"[{code}]"))
            Assert.Contains(text, result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }
}
