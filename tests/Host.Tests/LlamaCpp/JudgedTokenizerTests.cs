using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.LlamaCpp;

/// <summary>Tokenizers that Marrow writes into GGUF files: llama.cpp makes the same ids of a text.</summary>
public sealed class JudgedTokenizerTests(LlamaCppProcess judge, ITestOutputHelper output) : IClassFixture<LlamaCppProcess>
{
    private static readonly string[] Own = ["Hello, world! 3 + 4 = 7", "  two  spaces\n\n\tand a tab", "äöü ß éa 中文 😀👩‍👩‍👧", "don't we'll I'M  '", "x", " ", "123456 7.5e-3", "a\u0301\u200d क्षि"];

    [Theory]
    [InlineData("tiny-llama")]
    [InlineData("qwen3")]
    [InlineData("world")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    [InlineData("falcon")]
    [InlineData("deepseek-llm")]
    public void Ids_are_llama_cpps(string name)
    {
        using var folder = new TemporaryFolder();
        if (!judge.IsHere(output) || Source(name, folder) is not { } source)
            return;
        ModelTokenizer ours = ModelTokenizer.Load(source);
        int size = ours.Tokenizer.VocabularySize;
        var values = new GgufMetadata("vocabulary");
        LlamaConfig config = LlamaConfig.Read(Repository.PathOf("samples", "tiny-llama", "config.json")) with { VocabularySize = size, BosId = null, EosIds = [], PadId = null };
        GgufArchitectures.For(config).Describe(config, values);
        // What Phi-3's special tokens do to spaces is told by the model's name alone.
        values.Set("general.name", name);
        foreach (string difference in GgufTokenizer.Write(TokenizerFiles.Find(source), size, values))
            output.WriteLine(difference);
        GgufWriter.Write(folder["vocabulary.gguf"], values, []);
        string[] texts = [.. Own, .. Fixtures.Find(output, "tokenizers/ggml-vocab-gpt-2.gguf.inp", out string inputs) ? File.ReadAllText(inputs).Split("\n__ggml_vocab_test__\n")[..^1] : []];
        // Qwen's tokenizer composes characters first, which llama.cpp leaves out.
        if (name == "qwen3")
            texts = [.. texts.Select(t => t.Normalize())];
        int[][] theirs = judge.Ask(new(folder["vocabulary.gguf"], [], Texts: texts)).Ids!;
        for (int i = 0; i < texts.Length; i++)
        {
            int[] want = theirs[i], got = [.. ours.Tokenizer.Encode(texts[i], addSpecial: false, parseSpecial: false)];
            Assert.True(want.AsSpan().SequenceEqual(got), $"{name}, text {i} {Echo.Quote(texts[i])}: llama.cpp has {string.Join(' ', want)}, Marrow {string.Join(' ', got)}");
        }
        output.WriteLine($"{name}: {texts.Length} texts, the same ids");
    }

    /// <summary>A folder of the tokenizer's files; those of a GGUF vocabulary are written by us.</summary>
    private string? Source(string name, TemporaryFolder folder)
    {
        string to = folder["tokenizer"];
        Directory.CreateDirectory(to);
        switch (name)
        {
            case "tiny-llama":
                return Repository.PathOf("samples", "tiny-llama");
            case "qwen3":
                if (!Fixtures.Find(output, "tokenizers/qwen3-tokenizer.json", out string json))
                    return null;
                File.Copy(json, Path.Combine(to, "tokenizer.json"));
                File.Copy(json.Replace("tokenizer.json", "tokenizer_config.json", StringComparison.Ordinal), Path.Combine(to, "tokenizer_config.json"));
                return to;
            case "world":
                if (!Fixtures.Find(output, "tokenizers/rwkv_vocab_v20230424.txt", out string vocabulary))
                    return null;
                File.Copy(vocabulary, Path.Combine(to, "rwkv_vocab_v20230424.txt"));
                return to;
            default:
                if (!Fixtures.Find(output, $"tokenizers/ggml-vocab-{name}.gguf", out string path))
                    return null;
                using (GgufFile file = GgufFile.Open(path))
                    GgufTokenizer.WriteFiles(file.Values, to);
                return to;
        }
    }
}
