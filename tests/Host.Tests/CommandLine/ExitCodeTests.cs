using System.Text.Json;
using Marrow.Host.Tests.Training;

namespace Marrow.Host.Tests.CommandLine;

public class ExitCodeTests
{
    [Theory]
    [InlineData("unknown command 'trian'; did you mean train? See 'marrow --help'.", "trian", "job.yaml")]
    [InlineData("unknown option --dryrun; did you mean --dry-run? See 'marrow train --help'.", "train", "job.yaml", "--dryrun")]
    [InlineData("unknown option --zzzzzz. See 'marrow doctor --help'.", "doctor", "--zzzzzz=3")]
    [InlineData("unknown option --jso; did you mean --json? See 'marrow train --help'.", "train", "--jso")]
    [InlineData("no command given; the commands are quickstart, train", "--verbose")]
    [InlineData("JOB is missing. See 'marrow train --help'.", "train", "--dry-run")]
    [InlineData("IN is missing. OUT is missing. See 'marrow convert --help'.", "convert")]
    [InlineData("OUT is empty; give a path. See 'marrow convert --help'.", "convert", "a", "")]
    [InlineData("--model is empty; give a path. See 'marrow tokenize --help'.", "tokenize", "--model", "", "--text", "a")]
    [InlineData("--alpha: 'abc' is not a number. See 'marrow convert --help'.", "convert", "a", "b", "--alpha", "abc")]
    [InlineData("--rank: '1.5' is not a whole number of its range. See 'marrow convert --help'.", "convert", "a", "b", "--rank", "1.5")]
    [InlineData("--threads: 'x' is not a whole number of its range. See 'marrow convert --help'.", "convert", "a", "b", "--threads", "x")]
    [InlineData("--threads must be between 0 and 1024. See 'marrow convert --help'.", "convert", "a", "b", "--threads", "99999")]
    [InlineData("--threads: 'x' is not a whole number of its range. See 'marrow logits --help'.", "logits", "--model", "a", "--out", "b", "--tokens", "1", "--threads", "x")]
    [InlineData("--device-memory: 'x' is not a number. See 'marrow generate --help'.", "generate", "--model", "a", "--prompt", "b", "--device-memory", "x")]
    [InlineData("--seed: 'x' is not a whole number of its range. See 'marrow generate --help'.", "generate", "--model", "a", "--prompt", "b", "--seed", "x")]
    [InlineData("--batch-size: 'x' is not a whole number of its range. See 'marrow eval --help'.", "eval", "--model", "a", "--data", "b", "--batch-size", "x")]
    [InlineData("Argument 'onnx' not recognized. Must be one of: 'hf' 'safetensors' 'gguf' 'pth'", "convert", "a", "b", "--to", "onnx")]
    public void A_wrong_call_exits_with_2_and_says_what_was_meant(string expected, params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.StartsWith($"marrow: error: {expected}", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bad_job_exits_with_2_and_no_stack_trace()
    {
        using var folder = new TemporaryFolder();
        string job = folder.Put("job.yaml", "training: { learning_rat: 1 }\nmodel: { path: m }\ndata: { train: t }\noutput: { dir: x }\n");
        MarrowProcess.Result result = MarrowProcess.Run("train", job, "--dry-run", "--verbose");
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Equal($"marrow: error: {job}:1:13: training.learning_rat: unknown key; did you mean learning_rate? [JB004]\n", result.Errors.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void With_json_an_error_is_one_document_on_stdout()
    {
        MarrowProcess.Result result = MarrowProcess.Run("train", "absent.yaml", "--dry-run", "--json");
        Assert.Equal((2, ""), (result.ExitCode, result.Errors));
        JsonElement error = JsonDocument.Parse(result.Output).RootElement.GetProperty("error");
        Assert.Equal("IO003", error.GetProperty("code").GetString());
        Assert.Contains(Repository.PathOf("absent.yaml"), error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Contains("\"code\":\"usage\"", MarrowProcess.Run("trian", "--json").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_dry_run_shows_the_plan_and_the_resolved_job_and_writes_nothing()
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        string job = TinyModel.WriteJob(folder, "run");
        MarrowProcess.Result text = MarrowProcess.Run("train", job, "--dry-run", "--set", "training.seed=77");
        Assert.Equal((0, ""), (text.ExitCode, text.Errors));
        foreach (string part in new[] { "bone, r 4, on 14 linear layers", "10 of 3 × 1 examples; 24 to train on", "device    cpu (", "memory    about", "0 ⟦1 2 3 4 5 ⟧", "  seed: 77\n" })
            Assert.Contains(part, text.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(MarrowProcess.Run("train", job, "--dry-run", "--json").Output).RootElement;
        Assert.Equal("bone", json.GetProperty("job").GetProperty("adapter").GetProperty("method").GetString());
        Assert.Equal((10, 14), (json.GetProperty("steps").GetInt32(), json.GetProperty("adapted_layers").GetInt32()));
        Assert.False(Directory.Exists(folder["run"]));
    }

    [Fact]
    public void Help_has_an_example_for_every_command()
    {
        Assert.Contains("marrow train job.yaml", MarrowProcess.Run("--help").Output, StringComparison.Ordinal);
        foreach (string command in Marrow.Host.Commands.CliCommand.All().Select(c => c.Command.Name))
        {
            MarrowProcess.Result help = MarrowProcess.Run(command, "--help");
            Assert.Equal(0, help.ExitCode);
            Assert.Contains($"Examples:{Environment.NewLine}  marrow {command}", help.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Doctor_tells_of_the_machine_and_its_cpu_passes_the_self_test()
    {
        JsonElement doctor = JsonDocument.Parse(MarrowProcess.Run("doctor", "--device", "cpu", "--json").Output).RootElement;
        Assert.True(doctor.GetProperty("machine").GetProperty("cores").GetInt32() > 0);
        Assert.True(doctor.GetProperty("memory").GetProperty("free_bytes").GetInt64() > 0);
        Assert.True(doctor.GetProperty("passed").GetBoolean());
        JsonElement[] devices = [.. doctor.GetProperty("devices").EnumerateArray()];
        foreach (string kind in new[] { "cpu", "opencl", "cuda" })
            Assert.Contains(devices, d => d.GetProperty("name").GetString()!.Split(':')[0] == kind);
        JsonElement cpu = devices.Single(d => d.GetProperty("name").GetString() == "cpu");
        Assert.True(cpu.GetProperty("cpu").GetProperty("gflops").GetDouble() > 0);
        Assert.All(cpu.GetProperty("ops").EnumerateArray(), op => Assert.True(op.GetProperty("cases").GetInt32() > 0));
        Assert.All(devices.Where(d => d.GetProperty("name").GetString() != "cpu"), d => Assert.Equal(0, d.GetProperty("ops").GetArrayLength()));
    }
}
