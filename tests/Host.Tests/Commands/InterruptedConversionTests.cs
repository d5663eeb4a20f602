using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Marrow.Host.Tests.Training;

namespace Marrow.Host.Tests.Commands;

/// <summary>Conversions that are stopped half way, of a model of 1 GiB of zeros that takes no room on the disk.</summary>
public class InterruptedConversionTests
{
    private const int Hidden = 512, Mlp = 64, Vocabulary = 1 << 20;

    /// <summary>OUT, its options, and how many temporary files or folders tell that the writing goes on.</summary>
    public static TheoryData<string, string, int> Targets => new()
    {
        { "m.gguf", "--store-as q8_0", 1 },
        { "m", "--store-as fp16", 1 },
        { "m.gguf", "--shard-size 1MB", 2 },
    };

    [Theory]
    [MemberData(nameof(Targets))]
    public void Ctrl_C_exits_with_130_and_leaves_nothing(string name, string options, int signs)
    {
        if (OperatingSystem.IsWindows())
            return;
        using var folder = new TemporaryFolder();
        using MarrowProcess victim = Started(folder, name, options, signs);
        victim.Interrupt();
        MarrowProcess.Result result = victim.Wait();
        // A busy machine gets as far as to tell how far it is.
        string said = string.Concat(result.Errors.Split('\n').Where(line => !line.EndsWith(" left", StringComparison.Ordinal)));
        Assert.Equal((130, "", "marrow: cancelled"), (result.ExitCode, result.Output, said));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder["out"]));
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Killed_it_leaves_nothing_under_the_final_name_and_the_next_run_clears_up(string name, string options, int signs)
    {
        using var folder = new TemporaryFolder();
        using (MarrowProcess victim = Started(folder, name, options, signs))
        {
            victim.Kill();
            victim.Wait();
        }
        Assert.All(Directory.EnumerateFileSystemEntries(folder["out"]), path => Assert.EndsWith(".tmp", path, StringComparison.Ordinal));
        // The parts of a split model are known by their number too.
        if (signs > 1)
            return;
        MarrowProcess.Done("convert", TinyModel.Write(folder), folder["out", name]);
        Assert.Equal([folder["out", name]], Directory.EnumerateFileSystemEntries(folder["out"]));
    }

    private static MarrowProcess Started(TemporaryFolder folder, string name, string options, int signs)
    {
        Directory.CreateDirectory(folder["out"]);
        var process = MarrowProcess.Start(["convert", WriteBig(folder), folder["out", name], "--threads", "1", .. options.Split(' ')]);
        while (process.Running && Directory.EnumerateFileSystemEntries(folder["out"]).Count() < signs)
            Thread.Sleep(1);
        Assert.True(process.Running, process.Running ? "" : process.Wait().Errors);
        return process;
    }

    private static string WriteBig(TemporaryFolder folder)
    {
        string path = folder["big"];
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "config.json"), $$"""
            {"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":{{Vocabulary}},"hidden_size":{{Hidden}},"intermediate_size":{{Mlp}},
             "num_hidden_layers":1,"num_attention_heads":8,"num_key_value_heads":8,"max_position_embeddings":64,"rms_norm_eps":1e-5,
             "rope_theta":10000.0,"tie_word_embeddings":true,"hidden_act":"silu","bos_token_id":1,"eos_token_id":2}
            """);
        var header = new Dictionary<string, object>();
        long at = 0;
        void Add(string name, params long[] shape)
        {
            long bytes = 2 * shape.Aggregate(1L, (n, d) => n * d);
            header[name] = new { dtype = "BF16", shape, data_offsets = new[] { at, at + bytes } };
            at += bytes;
        }
        Add("model.embed_tokens.weight", Vocabulary, Hidden);
        Add("model.norm.weight", Hidden);
        foreach (string norm in new[] { "input_layernorm", "post_attention_layernorm" })
            Add($"model.layers.0.{norm}.weight", Hidden);
        foreach (string square in "qkvo".Select(c => $"{c}_proj"))
            Add($"model.layers.0.self_attn.{square}.weight", Hidden, Hidden);
        Add("model.layers.0.mlp.gate_proj.weight", Mlp, Hidden);
        Add("model.layers.0.mlp.up_proj.weight", Mlp, Hidden);
        Add("model.layers.0.mlp.down_proj.weight", Hidden, Mlp);
        byte[] json = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(header));
        using FileStream stream = File.Create(Path.Combine(path, "model.safetensors"));
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        stream.Write(length);
        stream.Write(json);
        stream.SetLength(8 + json.Length + at);
        return path;
    }
}
