using System.IO.Compression;
using System.Text;
using Marrow.Formats;
using Marrow.Formats.PyTorch;

namespace Marrow.Host.Tests.Training;

/// <summary>What RWKV users get wrong ends with exit code 2 and a message that names file, key or tensor and says what to do; nothing is written, nothing of a pickle runs.</summary>
public class RwkvInputErrorTests
{
    [Fact]
    public void A_pickle_that_calls_a_program_is_refused_and_not_run()
    {
        using TemporaryFolder folder = Files();
        string file = folder["evil.pth"], proof = folder["it-ran"];
        using (ZipArchive zip = ZipFile.Open(file, ZipArchiveMode.Create))
        using (Stream pickle = zip.CreateEntry("evil/data.pkl", CompressionLevel.NoCompression).Open())
            pickle.Write(Encoding.UTF8.GetBytes($"cos\nsystem\n(Vtouch {proof}\ntR."));
        string[] said = [file, "[PT010]", "os.system", "nothing was run"];
        RefusedAsModel(folder, file, said);
        MarrowProcess.Refused(["logits", "--model", folder["model.pth"], "--adapter", file, "--tokens", "1", "--out", folder["out.safetensors"]], said);
        Assert.Equal(2, MarrowProcess.Run("inspect", file).ExitCode);
        Assert.False(File.Exists(proof), "the pickle has run");
    }

    [Fact]
    public void A_checkpoint_that_was_cut_short_is_named()
    {
        using TemporaryFolder folder = Files();
        byte[] whole = File.ReadAllBytes(folder["model.pth"]);
        RefusedAsModel(folder, folder.Put("cut.pth", whole[..(whole.Length / 2)]), folder["cut.pth"], "[PT002]", "cut short");
        RefusedAsModel(folder, folder.Put("empty.pth", ""), folder["empty.pth"], "[IO002]");
        RefusedAsModel(folder, folder.Put("page.pth", "<html>404</html>"), folder["page.pth"], "[IO006]", "web page");
    }

    [Fact]
    public void Checkpoints_of_other_models_are_told_apart()
    {
        using TemporaryFolder folder = Files();
        PthWriter.Write(folder["llama.pth"], [Zeros("model.embed_tokens.weight", 64, 32), Zeros("model.layers.0.self_attn.q_proj.weight", 32, 32)]);
        RefusedAsModel(folder, folder["llama.pth"], folder["llama.pth"], "[HF013]", "config.json");
        PthWriter.Write(folder["rwkv5.pth"], [Zeros("emb.weight", 64, 32), Zeros("blocks.0.ln1.weight", 32), Zeros("blocks.0.att.time_decay", 4, 8), Zeros("blocks.0.att.time_faaaa", 4, 8)]);
        RefusedAsModel(folder, folder["rwkv5.pth"], folder["rwkv5.pth"], "[RW001]", "version 4 or 5", "6 and 7");
        Assert.Contains("[RW001]", MarrowProcess.Run("inspect", folder["rwkv5.pth"]).Output, StringComparison.Ordinal);
        PthWriter.Write(folder["adapter.pth"], [Zeros("blocks.0.att.key.disha", 4, 32)]);
        RefusedAsModel(folder, folder["adapter.pth"], folder["adapter.pth"], "[HF013]", "adapter");
    }

    [Fact]
    public void A_folder_with_two_checkpoints_asks_for_one()
    {
        using TemporaryFolder folder = Files();
        Directory.CreateDirectory(folder["two"]);
        File.Copy(folder["model.pth"], folder["two", "a.pth"]);
        Assert.Equal("RWKV model", MarrowProcess.Json("inspect", folder["two"]).GetProperty("kind").GetString());
        File.Copy(folder["model.pth"], folder["two", "b.pth"]);
        RefusedAsModel(folder, folder["two"], folder["two"], "a.pth, b.pth", "[HF014]");
        Assert.Contains("[HF014]", MarrowProcess.Run("inspect", folder["two"]).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void States_of_another_model_are_refused_with_both_shapes()
    {
        using TemporaryFolder folder = Files();
        PthWriter.Write(folder["wide.pth"], [Zeros("blocks.0.att.time_state", 2, 16, 16), Zeros("blocks.1.att.time_state", 2, 16, 16)]);
        PthWriter.Write(folder["deep.pth"], [Zeros("blocks.0.att.time_state", 4, 8, 8), Zeros("blocks.1.att.time_state", 4, 8, 8), Zeros("blocks.2.att.time_state", 4, 8, 8)]);
        foreach ((string file, string[] said) in new[] { ("wide.pth", new[] { "blocks.0.att.time_state", "[2,16,16]", "[4,8,8]", "[TS002]" }), ("deep.pth", ["blocks.2.att.time_state", "[PF007]"]) })
        {
            MarrowProcess.Refused(["generate", "--model", folder["model.pth"], "--adapter", folder[file], "--tokens", "1"], [folder[file], .. said]);
            RefusedAsJob(folder, $"method: state, init_from: '{folder[file]}'", "max_steps: 1", [folder[file], .. said]);
        }
    }

    [Fact]
    public void Lora_without_its_scale_asks_for_it()
    {
        using TemporaryFolder folder = Files();
        string file = folder["lora.pth"];
        PthWriter.Write(file, [Zeros("blocks.0.att.key.lora_A", 4, 32), Zeros("blocks.0.att.key.lora_B", 32, 4)]);
        MarrowProcess.Refused(["logits", "--model", folder["model.pth"], "--adapter", file, "--tokens", "1", "--out", folder["out.safetensors"]], file, "[RP006]", "--adapter-alpha");
        RefusedAsJob(folder, $"method: lora, init_from: '{file}'", "max_steps: 1", file, "[TJ003]", "adapter.lora_alpha");
        // The method is the first thing that is wrong here.
        RefusedAsJob(folder, $"method: bone, init_from: '{file}'", "max_steps: 1", file, "[TJ002]", "adapter.method is lora there and bone in the job");
        Assert.False(File.Exists(folder["out.safetensors"]));
    }

    [Theory]
    [InlineData("method: bone, r: 4", "seqment_length: 8", "JB004", "training.seqment_length", "segment_length?")]
    [InlineData("method: bone, r: 4", "chunk_ctx: 8", "JB004", "training.chunk_ctx", "training.segment_length")]
    [InlineData("method: bone, r: 4", "segment_length: 0", "JB007", "training.segment_length", "at least 1")]
    [InlineData("method: bone, r: 4", "segment_length: 2.5", "JB006", "training.segment_length", "whole number")]
    [InlineData("method: states", "max_steps: 1", "JB007", "adapter.method", "did you mean state?")]
    public void Keys_of_rwkv_jobs_are_checked(string adapter, string training, string code, params string[] said)
    {
        using TemporaryFolder folder = Files();
        RefusedAsJob(folder, adapter, training, [folder["run.yaml"], $"[{code}]", .. said]);
    }

    [Theory]
    [InlineData("method: bone, r: 4", "max_steps: 1, segment_length: 4", "TR006", "training.segment_length", "RWKV")]
    [InlineData("method: state", "max_steps: 1", "AD014", "llama", "RWKV")]
    public void What_only_rwkv_models_can_do_is_refused_before_training_and_in_the_plan(string adapter, string training, string code, params string[] said)
    {
        using TemporaryFolder folder = Files();
        TinyModel.Write(folder);
        RefusedAsJob(folder, adapter, training, [$"[{code}]", .. said], folder["model"]);
    }

    private static TemporaryFolder Files()
    {
        var folder = new TemporaryFolder();
        TinyModel.WriteRwkv(folder, "model.pth");
        TinyModel.WriteRows(folder);
        return folder;
    }

    private static TensorToWrite Zeros(string name, params long[] shape) => TensorToWrite.FromFloats(name, shape, new float[shape.Aggregate(1L, (n, d) => n * d)]);

    private static void RefusedAsModel(TemporaryFolder folder, string model, params string[] said)
    {
        MarrowProcess.Refused(["logits", "--model", model, "--tokens", "1 2", "--out", folder["out.safetensors"]], said);
        Assert.False(File.Exists(folder["out.safetensors"]));
        RefusedAsJob(folder, "method: bone, r: 4", "max_steps: 1", said, model);
    }

    private static void RefusedAsJob(TemporaryFolder folder, string adapter, string training, params string[] said) => RefusedAsJob(folder, adapter, training, said, folder["model.pth"]);

    private static void RefusedAsJob(TemporaryFolder folder, string adapter, string training, string[] said, string model)
    {
        string job = TinyModel.WriteJob(folder, "run", adapter, training, model: model);
        foreach (string[] options in new[] { Array.Empty<string>(), ["--dry-run"] })
            MarrowProcess.Refused(["train", job, .. options], said);
        Assert.False(Path.Exists(folder["run"]), "a refused job has written its run folder");
    }
}
