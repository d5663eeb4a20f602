namespace Marrow.Host.Tests.Training;

/// <summary>What users get wrong ends with exit code 2 and a message that says what to do, before anything is written.</summary>
public class InputErrorTests
{
    [Fact]
    public void A_wrong_path_is_named_in_full()
    {
        using var folder = Files();
        Refuse(folder, "model.path=nowhere", "JB012", "model.path", "no such file or folder", Repository.PathOf("nowhere"));
        Refuse(folder, "data.train=.", "JB012", "data.train", "is a folder, but must be a file");
        Refuse(folder, "data.train=nowhere.jsonl", "JB012", "data.train", "no such file", Repository.PathOf("nowhere.jsonl"));
        Refuse(folder, "adapter.init_from=nowhere", "JB012", "adapter.init_from");
    }

    [Fact]
    public void Weights_that_were_cut_short_are_named_with_both_sizes()
    {
        using var folder = Files();
        string weights = folder["model", "model.safetensors"];
        byte[] bytes = File.ReadAllBytes(weights);
        File.WriteAllBytes(weights, bytes[..(bytes.Length / 2)]);
        Refuse(folder, null, "ST017", weights, "cut short");
    }

    [Fact]
    public void A_typing_error_in_the_job_names_line_and_key()
    {
        using var folder = Files();
        string job = TinyModel.WriteJob(folder, "run", training: "max_step: 3");
        Refuse(["train", job], "JB004", $"{job}:5:", "training.max_step: unknown key; did you mean max_steps?");
    }

    [Fact]
    public void Every_faulty_line_of_the_data_is_named()
    {
        using var folder = Files();
        folder.Put("rows.jsonl", "{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,2\n{\"input_ids\":[1,99]}\n{\"input_ids\":[1,2],\"labels\":[1]}\n");
        Refuse(folder, null, "DS003", "line 2", "[DS011]", "line 3", "99", $"{TinyModel.Vocabulary}", "[DS024]", "line 4", "[DS023]");
    }

    [Fact]
    public void An_adapter_of_another_model_is_refused_with_both_shapes()
    {
        using var folder = Files();
        TinyModel.Write(folder, "wider", hidden: 48);
        MarrowProcess.Result trained = MarrowProcess.Run("train", TinyModel.WriteJob(folder, "run", training: "max_steps: 1"));
        Assert.Equal((0, ""), (trained.ExitCode, trained.Errors));
        string adapter = folder["run", "adapter"];
        foreach (string command in new[] { "logits", "merge" })
            Refuse([command, "--model", folder["wider"], "--adapter", adapter, "--out", folder[command == "logits" ? "out.safetensors" : "out"], .. command == "logits" ? ["--tokens", "1 2"] : Array.Empty<string>()],
                null, "[4,32]", "[4,48]", "q_proj");
        Refuse(["train", TinyModel.WriteJob(folder, "again", $"method: bone, r: 8, init_from: '{adapter}'")], null, "adapter.r", "4", "8");
    }

    [Fact]
    public void Text_for_a_model_without_a_tokenizer_and_devices_that_are_not_there_are_refused()
    {
        using var folder = Files();
        Refuse(["generate", "--model", folder["model"], "--prompt", "Hello"], "TK013", "tokenizer.json");
        Refuse(["generate", "--model", folder["model"], "--tokens", "1 64"], "CL003", "token 64 at position 1", "vocabulary of 64");
        Refuse(folder, "model.device=opencl:99", "DV002", "opencl:99", "marrow doctor");
        Refuse(folder, "model.device=gpu", "JB007", "cuda:n");
        Refuse(folder, "model.activations=bf16", "MP004", "fp32");
        Refuse(folder, "model.dtype=fp16", "MP003", "bf16", "nf4");
    }

    [Fact]
    public void Training_that_diverges_fails_with_1_and_the_manifest_says_why()
    {
        using var folder = Files();
        string weights = folder["model", "model.safetensors"];
        byte[] bytes = File.ReadAllBytes(weights);
        BitConverter.TryWriteBytes(bytes.AsSpan(bytes.Length - 4), float.NaN);
        File.WriteAllBytes(weights, bytes);
        MarrowProcess.Result result = MarrowProcess.Run("train", folder["run.yaml"]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("[TR011]", result.Errors, StringComparison.Ordinal);
        Assert.Equal("failed", TrainingFiles.Json(folder["run", "manifest.json"]).GetProperty("status").GetString());
    }

    [Fact]
    public void A_run_is_not_resumed_with_other_data()
    {
        using var folder = Files();
        Assert.Equal(0, MarrowProcess.Run("train", folder["run.yaml"], "--set", "training.max_steps=2").ExitCode);
        File.AppendAllText(folder["rows.jsonl"], "{\"input_ids\":[1,2,3]}\n");
        Refuse(["train", folder["run.yaml"], "--resume"], "RN007", "rows.jsonl");
        Refuse(["train", folder["run.yaml"]], "RN001", "--resume", "--overwrite");
    }

    private static TemporaryFolder Files()
    {
        var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        TinyModel.WriteJob(folder, "run");
        return folder;
    }

    private static void Refuse(TemporaryFolder folder, string? setting, string code, params string[] said)
    {
        foreach (string[] dry in new[] { Array.Empty<string>(), ["--dry-run"] })
            Refuse(["train", folder["run.yaml"], .. setting is null ? Array.Empty<string>() : ["--set", setting], .. dry], code, said);
        Assert.False(Directory.Exists(folder["run"]), "a refused job has written its run folder");
    }

    private static void Refuse(string[] args, string? code, params string[] said)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.True(result.ExitCode == 2 && result.Output.Length == 0, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
        foreach (string text in code is null ? said : [.. said, $"[{code}]"])
            Assert.Contains(text, result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }
}
