using Marrow.Formats;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.LlamaCpp;

/// <summary>Models that Marrow writes as GGUF, computed by llama.cpp: its logits are ours, up to what quantisation costs both.</summary>
public sealed class JudgedModelTests(LlamaCppProcess judge, ITestOutputHelper output) : IClassFixture<LlamaCppProcess>
{
    private const int Continued = 8;
    internal static readonly int[] Tokens = [.. Enumerable.Range(0, 24).Select(i => (i * i * 7 + 3 * i + 5) % 390)];
    private static readonly string[] Plain = ["fp32", "fp16", "bf16"];

    /// <summary>How far llama.cpp's logits may be from ours on the same file, relative to their spread: its products round activations to the weights' type.</summary>
    private static readonly Dictionary<string, double> Noise = new() { ["fp32"] = 1e-4, ["fp16"] = 4e-3, ["bf16"] = 3e-2, ["q8_0"] = 3e-2, ["q4_k_m"] = 5e-2 };

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (string family in SmallModel.Families)
                foreach (string type in family is "llama" or "qwen3" or "rwkv7" ? Noise.Keys.ToArray() : ["fp32", "q8_0"])
                    cases.Add(family, type);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Logits_are_llama_cpps(string family, string type)
    {
        if (!judge.IsHere(output))
            return;
        using var folder = new TemporaryFolder();
        string model = SmallModel.Write(folder["model"], family), file = folder["model.gguf"];
        MarrowProcess.Done("convert", model, file, "--store-as", type, "--verify");
        float[][] ours = Logits(folder, file);
        LlamaCppProcess.Answer theirs = judge.Ask(new(file, Tokens, Greedy: Continued));
        double difference = Difference(ours, theirs.Logits!), cost = Difference(Logits(folder, model), ours);
        output.WriteLine($"{family} {type}: llama.cpp's logits differ from ours by {difference:g3} of their spread; the file's from the original's by {cost:g3}");
        // Its GELU is a table of fp16 values.
        Assert.InRange(difference, 0, family.StartsWith("gemma", StringComparison.Ordinal) ? Math.Max(5e-4, Noise[type]) : Noise[type]);
        Assert.InRange(cost, 0, type == "fp32" ? 0 : Plain.Contains(type) ? 0.02 : 0.35);
        if (type == "fp32")
            Assert.Equal(Generate(file), theirs.Greedy);
    }

    /// <summary>Logits by the command line, a row for each token.</summary>
    internal static float[][] Logits(TemporaryFolder folder, string model, params string[] more)
    {
        string file = folder[$"logits-{Guid.NewGuid():N}.safetensors"];
        MarrowProcess.Done(["logits", "--model", model, "--tokens", string.Join(' ', Tokens), "--out", file, .. more]);
        using SafetensorsFile logits = SafetensorsFile.Open(file);
        float[] values = logits.ReadFloats("logits");
        return [.. values.Chunk(values.Length / Tokens.Length)];
    }

    /// <summary>The root of the mean square difference over the spread of the wanted values.</summary>
    internal static double Difference(float[][] want, float[][] got)
    {
        Assert.Equal(want.Length, got.Length);
        double difference = 0, spread = 0;
        for (int t = 0; t < want.Length; t++)
        {
            Assert.Equal(want[t].Length, got[t].Length);
            double mean = want[t].Average(v => (double)v);
            for (int i = 0; i < want[t].Length; i++)
            {
                difference += Math.Pow((double)want[t][i] - got[t][i], 2);
                spread += Math.Pow(want[t][i] - mean, 2);
            }
        }
        return Math.Sqrt(difference / spread);
    }

    private static int[] Generate(string model) => [.. MarrowProcess.Json("generate", "--model", model, "--tokens", string.Join(' ', Tokens), "--max-tokens", $"{Continued}", "--temperature", "0")
        .GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32())];
}
