using System.Text.Json;

namespace Marrow.Host.Tests.CommandLine;

public class ExitCodeTests
{
    [Theory]
    [InlineData("unknown command 'trian'; did you mean train? See 'marrow --help'.", "trian", "job.yaml")]
    [InlineData("unknown option --dryrun; did you mean --dry-run? See 'marrow train --help'.", "train", "job.yaml", "--dryrun")]
    [InlineData("unknown option --zzzzzz. See 'marrow doctor --help'.", "doctor", "--zzzzzz=3")]
    [InlineData("unknown option --jso; did you mean --json? See 'marrow train --help'.", "train", "--jso")]
    [InlineData("no command given; the commands are train", "--verbose")]
    [InlineData("Required argument missing for command: 'train'.", "train", "--dry-run")]
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
    public void A_dry_run_shows_the_resolved_job_and_exits_with_0()
    {
        using var folder = new TemporaryFolder();
        string job = folder.Put("job.yaml", $"model: {{ path: '{folder.Path}' }}\ndata: {{ train: '{folder.Put("t.jsonl", "{}")}' }}\noutput: {{ dir: x }}\n");
        MarrowProcess.Result text = MarrowProcess.Run("train", job, "--dry-run", "--set", "training.seed=77");
        Assert.Equal((0, ""), (text.ExitCode, text.Errors));
        Assert.Contains("  seed: 77\n", text.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(MarrowProcess.Run("train", job, "--dry-run", "--json").Output).RootElement;
        Assert.Equal("bone", json.GetProperty("job").GetProperty("adapter").GetProperty("method").GetString());
    }

    [Fact]
    public void Help_has_an_example_for_every_command()
    {
        Assert.Contains("marrow train job.yaml", MarrowProcess.Run("--help").Output, StringComparison.Ordinal);
        foreach (string command in Commands.CliCommand.All().Select(c => c.Command.Name))
        {
            MarrowProcess.Result help = MarrowProcess.Run(command, "--help");
            Assert.Equal(0, help.ExitCode);
            Assert.Contains($"Examples:{Environment.NewLine}  marrow {command}", help.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Doctor_tells_of_the_machine()
    {
        JsonElement machine = JsonDocument.Parse(MarrowProcess.Run("doctor", "--json").Output).RootElement.GetProperty("machine");
        Assert.True(machine.GetProperty("cores").GetInt32() > 0);
        Assert.True(machine.GetProperty("memory_bytes").GetInt64() > 0);
    }
}
