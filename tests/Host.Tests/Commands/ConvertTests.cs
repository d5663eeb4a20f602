using System.Text.Json;
using Marrow.Formats.Conversion;
using Marrow.Formats.Numerics;
using Marrow.Host.Tests.Training;

namespace Marrow.Host.Tests.Commands;

/// <summary>Models from kind to kind by the command line, and what it refuses.</summary>
public class ConvertTests
{
    private const string Tokens = "1 5 9 14 22 3";

    /// <summary>A model, and the kinds that it goes through before it is again what it was.</summary>
    [Theory]
    [InlineData("llama", "a/m", "a/m.gguf", "b/m", "b/m.gguf")]
    [InlineData("llama", "a/m", "b/m.safetensors")]
    [InlineData("rwkv7", "a/m.pth", "a/m.gguf", "b/m.pth", "b/m.gguf")]
    [InlineData("rwkv7", "a/m.safetensors", "a/m.gguf", "b/m.safetensors", "b/m.gguf")]
    [InlineData("rwkv6", "a/m.pth", "a/m.gguf", "b/m.pth", "b/m.gguf")]
    public void A_model_comes_back_byte_for_byte(string family, params string[] path)
    {
        using var folder = new TemporaryFolder();
        string model = family == "llama" ? TinyModel.Write(folder) : TinyModel.WriteRwkv(folder, "model.pth", family[^1] - '0');
        byte[] logits = Logits(folder, model);
        string from = model;
        foreach (string to in path)
        {
            JsonElement report = MarrowProcess.Json("convert", from, folder[to], "--verify");
            Assert.Equal((true, true), (report.GetProperty("exact").GetBoolean(), report.GetProperty("verified").GetBoolean()));
            // A lone file of a llama model has no configuration.
            if (family != "llama" || !to.EndsWith(".safetensors", StringComparison.Ordinal))
                Assert.Equal(logits, Logits(folder, folder[to]));
            from = folder[to];
        }
        foreach (string name in new[] { "m.gguf", "m.pth", "m.safetensors", "m/model.safetensors" })
            if (File.Exists(folder["a", name]) && File.Exists(folder["b", name]))
                Assert.Equal(File.ReadAllBytes(folder["a", name]), File.ReadAllBytes(folder["b", name]));
        if (family == "llama" && path.Length == 2)
            Assert.Equal(File.ReadAllBytes(folder["a", "m", "model.safetensors"]), File.ReadAllBytes(folder["b", "m.safetensors"]));
    }

    [Fact]
    public void A_quantised_model_is_stored_otherwise_only_where_that_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), q8 = folder["q8.gguf"];
        string told = MarrowProcess.Done("convert", model, q8, "--store-as", "q8_0", "--verify");
        // The MLP's inner 48 values are no whole blocks: one line for the two layers, which names both.
        Assert.Single(told.Split('\n'), line => line.Contains("rows of 48 elements are not whole blocks of Q8_0 (32)", StringComparison.Ordinal) && line.Contains("blk.0.ffn_down.weight, blk.1.ffn_down.weight: ", StringComparison.Ordinal));
        MarrowProcess.Refused(["convert", q8, folder["hf"]], "is quantised", "F16, BF16 or F32", "[CV002]");
        MarrowProcess.Refused(["convert", q8, folder["q4.gguf"], "--store-as", "q4_0"], "quantised again", "[CV003]");
        MarrowProcess.Done("convert", q8, folder["q4.gguf"], "--store-as", "q4_0", "--requantize");
        MarrowProcess.Done("convert", q8, folder["hf"], "--store-as", "fp32");
        MarrowProcess.Done("convert", q8, folder["copy.gguf"]);
        Assert.Equal(File.ReadAllBytes(q8), File.ReadAllBytes(folder["copy.gguf"]));
        MarrowProcess.Refused(["convert", q8, folder["pre.gguf"], "--pre", "llama-bpe"], "whose tokenizer is copied", "[CL012]");
        Assert.Equal(Logits(folder, folder["hf"]), Logits(folder, q8, "--dtype", "fp32"));
    }

    [Fact]
    public void A_split_model_is_opened_by_its_first_file_and_joined_again()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder);
        JsonElement report = MarrowProcess.Json("convert", model, folder["s.gguf"], "--shard-size", "20KB", "--verify");
        string[] parts = [.. report.GetProperty("files").EnumerateArray().Select(f => f.GetString()!)];
        Assert.InRange(parts.Length, 3, 9);
        MarrowProcess.Done("convert", parts[0], folder["joined.gguf"]);
        MarrowProcess.Done("convert", model, folder["whole.gguf"]);
        Assert.Equal(Logits(folder, folder["whole.gguf"]), Logits(folder, folder["joined.gguf"]));
        string[] problems = [.. MarrowProcess.Run("inspect", parts[1], "--json") is { ExitCode: 2, Output: var seen }
            ? JsonDocument.Parse(seen).RootElement.GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("message").GetString()!) : []];
        Assert.Contains("give the first file, 's-00001-of-", Assert.Single(problems), StringComparison.Ordinal);
        MarrowProcess.Refused(["convert", parts[1], folder["x.gguf"]], "this is part 2", "[GS001]");
        MarrowProcess.Refused(["convert", folder["s.gguf"], folder["x.gguf"]], $"in several; give the first of them, '{Path.GetFileName(parts[0])}'", "[HF013]");
        File.Delete(parts[2]);
        MarrowProcess.Refused(["convert", parts[0], folder["x.gguf"]], "part 3 of", "is missing", "[GS004]");
        MarrowProcess.Refused(["convert", parts[0], folder["s.gguf"], "--shard-size", "20KB", "--overwrite"], "[GS004]");
    }

    /// <summary>Arguments in which MODEL is a model, ADAPTER an adapter of it and OUT a fresh folder, and what the message must hold.</summary>
    [Theory]
    [InlineData("MODEL OUT/m --store-as q8_0", "CL008", "choose fp32, bf16 or fp16, or write a .gguf file")]
    [InlineData("MODEL OUT/m.gguf --store-as q9_9", "GG025", "choose among F32")]
    [InlineData("MODEL OUT/m.gguf --store-as iq2_xs", "GG026", "not written here")]
    [InlineData("MODEL OUT/m --shard-size 5TB", "CL009", "write it as in 5GB, 500MB or 4GiB")]
    [InlineData("MODEL OUT/m --shard-size 0", "CL009", "'0' is not a size")]
    [InlineData("MODEL OUT/m.safetensors --shard-size 1GB", "CL012", "is one file")]
    [InlineData("MODEL OUT/m --pre llama-bpe", "CL012", "--pre is about GGUF files")]
    [InlineData("MODEL OUT/m --store-as bf16 --requantize", "CL012", "--requantize is about GGUF files")]
    [InlineData("MODEL OUT/m.gguf --requantize", "CL012", "--requantize is about --store-as")]
    [InlineData("MODEL OUT/m --rank 3", "CL010", "--rank is about adapters")]
    [InlineData("ADAPTER OUT/a --store-as bf16", "CL010", "--store-as is about models")]
    [InlineData("ADAPTER OUT/a --others skip", "CL010", "--others is about tuned models")]
    [InlineData("ADAPTER OUT/m --to hf", "CL011", "marrow merge --model BASE --adapter")]
    [InlineData("ADAPTER OUT/a --approximate", "CL012", "--approximate needs --rank")]
    [InlineData("ADAPTER OUT/a --rank 4", "CL012", "--rank is that of --approximate")]
    [InlineData("ADAPTER OUT/a --allow-error", "CL012", "--allow-error is about --approximate")]
    [InlineData("ADAPTER OUT/a --combine ties", "CL012", "--combine is about several adapters")]
    [InlineData("ADAPTER OUT/a --density 0.5", "CL012", "--density is about several adapters")]
    [InlineData("ADAPTER OUT/a --add ADAPTER --signs frequency", "CL012", "cat elects no signs")]
    [InlineData("ADAPTER OUT/a --add ADAPTER --combine ties --density 0.5 --seed 1", "CL012", "ties draws nothing")]
    [InlineData("ADAPTER OUT/a --add ADAPTER=much", "CL012", "write path=0.5")]
    [InlineData("ADAPTER OUT/a --approximate --rank 0", "CL012", "must be above 0")]
    [InlineData("MODEL OUT/a --to peft", "CL012", "give the base (--model) and the rank")]
    [InlineData("MODEL OUT/a --to peft --model MODEL --rank 4", "CL012", "--approximate")]
    [InlineData("MODEL OUT/m.ggfu", "CL012", "did you mean '.gguf'? Choose another name")]
    [InlineData("MODEL OUT/m.bin", "CL012", "written here; choose another name, or name the kind (--to hf writes a folder)")]
    [InlineData("ADAPTER OUT/a.safetensor", "CL012", "did you mean '.safetensors'?")]
    [InlineData("MODEL OUT/m.pth", "CV001", "only RWKV models are .pth files")]
    [InlineData("MODEL MODEL --overwrite", "IO007", "write it elsewhere")]
    [InlineData("MODEL ADAPTER", "IO009", "--overwrite")]
    [InlineData("ADAPTER MODEL", "IO009", "--overwrite")]
    [InlineData("ADAPTER/adapter_model.safetensors OUT/m.gguf", "HF013", "give the folder")]
    [InlineData("OUT/none OUT/m.gguf", "HF013", "no such folder or file")]
    public void What_makes_no_sense_is_refused_with_the_remedy(string call, string code, string said)
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), adapter = TinyModel.WriteLora(folder, "adapter");
        string[] args = [.. call.Split(' ').Select(word => word.Replace("MODEL", model, StringComparison.Ordinal).Replace("ADAPTER", adapter, StringComparison.Ordinal).Replace("OUT", folder["out"], StringComparison.Ordinal))];
        MarrowProcess.Refused(["convert", .. args], $"[{code}]", said);
        Assert.False(Directory.Exists(folder["out"]));
    }

    [Fact]
    public void What_was_copied_is_counted_apart_from_what_was_rounded()
    {
        ConvertedTensor Made(string name, bool exact) => new(name, [4], DType.F32, DType.F32, null, 16, exact, null);
        using var told = new StringWriter();
        Converting.ModelConverter.WriteTypes(told, new ConversionReport("m", ModelKind.Gguf, ["m"], [Made("a", true), Made("b", false), Made("c", true)], [], Verified: false));
        Assert.Equal(["  F32   → F32       2 tensors, copied", "  F32   → F32       1 tensors, rounded"], told.ToString().ReplaceLineEndings("\n").TrimEnd().Split('\n').Select(l => l.TrimEnd()));
    }

    /// <summary>Something of config.json, what stands there instead, whether OUT is a folder, and the code of the refusal; none where it is told and copied.</summary>
    [Theory]
    [InlineData("\"num_hidden_layers\":2", "\"num_hidden_layers\":3", false, "MD002")]
    [InlineData("\"num_hidden_layers\":2", "\"num_hidden_layers\":3", true, "MD002")]
    [InlineData("\"vocab_size\":64", "\"vocab_size\":65", false, "MD002")]
    [InlineData("\"num_hidden_layers\":2", "\"num_hidden_layers\":1", false, "MD001")]
    [InlineData("\"num_hidden_layers\":2", "\"num_hidden_layers\":1", true, null)]
    public void A_configuration_that_contradicts_the_weights_makes_no_model(string right, string wrong, bool toFolder, string? code)
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), config = Path.Combine(model, "config.json"), target = folder[toFolder ? "out" : "out.gguf"], text = File.ReadAllText(config);
        Assert.Contains(right, text, StringComparison.Ordinal);
        File.WriteAllText(config, text.Replace(right, wrong, StringComparison.Ordinal));
        if (code is not null)
            MarrowProcess.Refused(["convert", model, target], $"[{code}]", "config.json");
        else
            Assert.Contains("they are copied", MarrowProcess.Done("convert", model, target), StringComparison.Ordinal);
        Assert.Equal(code is null, Path.Exists(target));
    }

    [Fact]
    public void Logits_are_never_written_over_what_they_are_made_of()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), gguf = folder["m.gguf"];
        MarrowProcess.Done("convert", model, gguf);
        byte[] before = File.ReadAllBytes(gguf);
        File.CreateSymbolicLink(folder["link"], gguf);
        foreach ((string from, string to) in new[] { (gguf, gguf), (folder["link"], gguf), (gguf, folder["link"]), (model, Path.Combine(model, "model.safetensors")), (model, Path.Combine(model, "config.json")) })
            MarrowProcess.Refused(["logits", "--model", from, "--tokens", Tokens, "--out", to, "--device", "cpu"], "read too, and would be replaced; write it elsewhere", "[IO007]");
        Assert.Equal(before, File.ReadAllBytes(gguf));
    }

    [Fact]
    public void A_folders_name_may_have_dots()
    {
        using var folder = new TemporaryFolder();
        MarrowProcess.Done("convert", TinyModel.Write(folder), folder["Llama-3.2-1B"]);
        Assert.True(File.Exists(folder["Llama-3.2-1B", "config.json"]));
    }

    private static byte[] Logits(TemporaryFolder folder, string model, params string[] options)
    {
        string path = folder[$"{Guid.NewGuid():N}.safetensors"];
        MarrowProcess.Done(["logits", "--model", model, "--tokens", Tokens, "--out", path, "--device", "cpu", .. options]);
        return File.ReadAllBytes(path);
    }
}
