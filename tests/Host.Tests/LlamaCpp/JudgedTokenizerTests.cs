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

    private static readonly string[] Cuts =
    [
        "12 123 1234 12345 1234567", "I'll we'VE it's 'tis don'T", "HelloWorld helloWorld HELLOworld iPhone", "a.b,c;d:e!f?g(h)[i]{j}/k\\l|m", "x  y   z\t\tw \n\n  v\r\n", "...!!! ///\n\n ==== \n", "\u4E2D\u6587\u5B57 \u3042\u3044 \uD55C\uAD6D",
    ];

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
        GgufMetadata values = Described(size);
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
            AssertSame(name, texts[i], theirs[i], ours.Tokenizer);
        output.WriteLine($"{name}: {texts.Length} texts, the same ids");
    }

    /// <summary>Every name of a pre-tokenizer, over the commonest tokens of GPT-2: how a text is cut shows in its ids.</summary>
    [Theory]
    [InlineData("gpt-2 phi-2 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code gigachat roberta-bpe mpt olmo jais a.x-4.0 mellum exaone4 trillion granite-docling modern-bert")]
    [InlineData("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe chatglm-bpe glm4")]
    [InlineData("qwen2 stablelm2 deepseek-r1-qwen megrez kormo f2llmv2 hunyuan solar-open grok-2 bailingmoe bailingmoe2 llada-moe qwen35 seed-coder minicpm5")]
    [InlineData("smollm starcoder refact command-r codeshell exaone minerva-7b mellum2 falcon default bloom poro-chat gpt3-finnish viking chameleon")]
    [InlineData("deepseek-coder deepseek-llm deepseek-v3 tekken gpt-4o llama4 kanana2 minimax-m2 talkie")]
    public void Pre_tokenizers_cut_as_llama_cpps(string names)
    {
        const int Tokens = 4096, Bytes = 256;
        using var folder = new TemporaryFolder();
        if (!judge.IsHere(output) || !Fixtures.Find(output, "tokenizers/ggml-vocab-gpt-2.gguf", out string path))
            return;
        GgufMetadata values = Described(Tokens);
        using (GgufFile vocabulary = GgufFile.Open(path))
        {
            values.Set("tokenizer.ggml.model", "gpt2");
            values.Set("tokenizer.ggml.tokens", new GgufValue(GgufType.String, vocabulary.Values.Strings("tokenizer.ggml.tokens")![..Tokens]));
            values.Set("tokenizer.ggml.merges", new GgufValue(GgufType.String, vocabulary.Values.Strings("tokenizer.ggml.merges")![..(Tokens - Bytes)]));
            values.Set("tokenizer.ggml.bos_token_id", 0);
        }
        // Those of models that compose characters first, which llama.cpp leaves out, see texts that need it not.
        string[] texts = [.. Own.Where(t => t.IsNormalized()), .. Cuts];
        foreach (string name in names.Split(' '))
        {
            values.Set("tokenizer.ggml.pre", name);
            GgufWriter.Write(folder[$"{name}.gguf"], values, []);
            int[][] theirs = judge.Ask(new(folder[$"{name}.gguf"], [], Texts: texts)).Ids!;
            ITokenizer ours = GgufTokenizer.Read(values).Tokenizer;
            for (int i = 0; i < texts.Length; i++)
                AssertSame(name, texts[i], theirs[i], ours);
        }
    }

    private static void AssertSame(string name, string text, int[] want, ITokenizer ours)
    {
        int[] got = [.. ours.Encode(text, addSpecial: false, parseSpecial: false)];
        Assert.True(want.AsSpan().SequenceEqual(got), $"{name}, text {Echo.Quote(text)}: llama.cpp has {string.Join(' ', want)}, Marrow {string.Join(' ', got)}");
    }

    private static GgufMetadata Described(int size)
    {
        var values = new GgufMetadata("vocabulary");
        LlamaConfig config = LlamaConfig.Read(Repository.PathOf("samples", "tiny-llama", "config.json")) with { VocabularySize = size, BosId = null, EosIds = [], PadId = null };
        GgufArchitectures.For(config).Describe(config, values);
        return values;
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
