using System.Text.Json;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.Numerics;
using Marrow.Host.Tests.Training;

namespace Marrow.Host.Tests.Commands;

/// <summary>What inspect shows of GGUF files and of adapters of every kind, whole and damaged.</summary>
public class InspectGgufTests
{
    [Fact]
    public void A_GGUF_model_is_described_and_every_problem_is_told()
    {
        using var folder = new TemporaryFolder();
        string path = folder["m.gguf"];
        MarrowProcess.Done("convert", TinyModel.Write(folder), path, "--store-as", "q8_0");
        JsonElement good = Inspect(0, path, "--values");
        Assert.Equal("GGUF model", good.GetProperty("kind").GetString());
        Assert.Equal("Q8_0", good.GetProperty("facts").GetProperty("file type").GetString());
        Assert.Equal(20, good.GetProperty("tensors").GetArrayLength());
        Assert.Contains(good.GetProperty("tensors").EnumerateArray(), t => t.GetProperty("dtype").GetString() == "Q8_0");

        byte[] bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, bytes[..(bytes.Length * 3 / 4)]);
        string[] codes = Codes(Inspect(2, path));
        Assert.True(codes.Length > 2 && codes.All(c => c == "GG021"), string.Join(' ', codes));
        File.WriteAllBytes(path, bytes[..30]);
        Assert.Single(Codes(Inspect(2, path)));
    }

    [Fact]
    public void A_scale_that_is_NaN_is_told_of_blocks_that_are_not_decoded_too()
    {
        using var folder = new TemporaryFolder();
        string model = folder["m.gguf"], path = folder["n.gguf"];
        MarrowProcess.Done("convert", TinyModel.Write(folder), model);
        byte[] blocks = new byte[DType.IQ2_XXS.Bytes(512)];
        foreach (bool damaged in (bool[])[false, true])
        {
            blocks[blocks.Length / 2 + 1] = (byte)(damaged ? 0x7E : 0);
            using (GgufFile file = GgufFile.Open(model))
                GgufWriter.Write(path, file.Values, [.. file.Tensors.Keys.Select(n => TensorToWrite.Copy(file, n)), new TensorToWrite("extra.weight", DType.IQ2_XXS, [2, 256], s => s.Write(blocks))]);
            Assert.Equal(damaged, Codes(Inspect(2, path, "--values")).Contains("GG024"));
        }
    }

    [Fact]
    public void A_vocabulary_is_told_from_a_model()
    {
        using var folder = new TemporaryFolder();
        string model = folder["m.gguf"], vocabulary = folder["v.gguf"];
        MarrowProcess.Done("convert", Repository.PathOf("samples", "tiny-llama"), model);
        using (GgufFile file = GgufFile.Open(model))
            GgufWriter.Write(vocabulary, file.Values, []);
        Assert.Equal("GGUF vocabulary", Inspect(0, vocabulary).GetProperty("kind").GetString());
        Assert.Equal(MarrowProcess.Done("tokenize", "--model", model, "--text", "a b"), MarrowProcess.Done("tokenize", "--model", vocabulary, "--text", "a b"));
        MarrowProcess.Refused(["convert", vocabulary, folder["out"]], "a vocabulary, but no weights", "[GA001]");
        MarrowProcess.Refused(["generate", "--model", vocabulary, "--prompt", "a", "--device", "cpu"], "a vocabulary, but no weights", "[GA001]");
    }

    [Theory]
    [InlineData("gguf-lora", "l.gguf")]
    [InlineData("mlx", "mlx")]
    [InlineData("kohya", "k.safetensors")]
    [InlineData("peft", "p")]
    public void An_adapter_is_described_and_a_damaged_one_told(string kind, string name)
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder), path = folder[name];
        MarrowProcess.Done("convert", TinyModel.WriteLora(folder, "adapter"), path, "--to", kind, "--model", model);
        JsonElement good = Inspect(0, path);
        Assert.Equal(kind == "peft" ? "PEFT adapter" : $"{kind} adapter", good.GetProperty("kind").GetString());
        Assert.Equal("4", good.GetProperty("facts").GetProperty("rank").GetString());
        Assert.Equal(kind == "kohya" ? 42 : 28, good.GetProperty("tensors").GetArrayLength());
        MarrowProcess.Refused(["generate", "--model", path, "--tokens", "1", "--device", "cpu"], "adapter");

        string weights = File.Exists(path) ? path : Directory.GetFiles(path, "*.safetensors").Single();
        byte[] bytes = File.ReadAllBytes(weights);
        File.WriteAllBytes(weights, bytes[..^100]);
        Assert.NotEmpty(Codes(Inspect(2, path)));
    }

    [Fact]
    public void What_is_not_there_is_said_so()
    {
        using var folder = new TemporaryFolder();
        MarrowProcess.Refused(["inspect", folder["none.gguf"]], "there is no such file or folder", "[IN001]");
        MarrowProcess.Refused(["inspect", folder.Path], ".safetensors, .gguf or .pth file", "[IN001]");
    }

    private static string[] Codes(JsonElement found) => [.. found.GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("code").GetString()!)];

    private static JsonElement Inspect(int exit, string path, params string[] options)
    {
        MarrowProcess.Result result = MarrowProcess.Run(["inspect", path, "--json", .. options]);
        Assert.Equal((exit, ""), (result.ExitCode, result.Errors));
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
