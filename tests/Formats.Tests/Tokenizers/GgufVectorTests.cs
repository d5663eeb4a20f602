using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Tokenizers;

public class GgufVectorTests(ITestOutputHelper output)
{
    private GgufMetadata? Values(string name)
    {
        if (!Fixtures.Find(output, $"tokenizers/ggml-vocab-{name}.gguf", out string path))
            return null;
        using GgufFile file = GgufFile.Open(path);
        return file.Values;
    }

    [Theory]
    [InlineData("deepseek-llm")]
    [InlineData("falcon")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    public void Answers_all_vectors(string name)
    {
        if (Values(name) is not { } values || VectorFiles.Find(output, name) is not { } cases)
            return;
        ITokenizer tokenizer = GgufTokenizer.Read(values).Tokenizer;
        foreach ((string text, int[] ids) in cases)
        {
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial: false, parseSpecial: false));
            Assert.Equal(text, tokenizer.Decode(ids, skipSpecial: false));
        }
    }

    [Theory]
    [InlineData("deepseek-llm")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    public void Any_text_comes_back(string name)
    {
        if (Values(name) is not { } values)
            return;
        ITokenizer tokenizer = GgufTokenizer.Read(values).Tokenizer;
        var random = new Random(31);
        for (int n = 0; n < 400; n++)
        {
            // U+2581 itself is indistinguishable from a space.
            string text = RandomText.Next(random, 60).Replace('\u2581', 'x') + (n % 3 == 0 ? " 👩‍👩‍👧‍👦 é e\u0301 漢字かな\r\n\n  한국어\t" : "");
            IReadOnlyList<int> ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
            Assert.Equal(text, tokenizer.Decode(ids, skipSpecial: false));
            IStreamingDecoder stream = tokenizer.CreateStreamingDecoder(skipSpecial: false);
            Assert.Equal(text, string.Concat(ids.Select(stream.Push)) + stream.Flush());
        }
    }

    [Fact]
    public void A_byte_that_the_vocabulary_lacks_is_told()
    {
        if (Values("falcon") is not { } values)
            return;
        Assert.Contains("in a byte-level vocabulary the byte 0x11)", Assert.Throws<MarrowException>(() => GgufTokenizer.Read(values).Tokenizer.Encode("a\u0011", false, false)).Message, StringComparison.Ordinal);
        Assert.Equal("TK012", Assert.Throws<MarrowException>(() => GgufTokenizer.Read(values).Tokenizer.Encode("\U000A0000", false, false)).Code);
    }

    [Theory]
    [InlineData("deepseek-llm")]
    [InlineData("falcon")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    public void A_megabyte_of_one_letter(string name)
    {
        if (Values(name) is not { } values)
            return;
        ITokenizer tokenizer = GgufTokenizer.Read(values).Tokenizer;
        foreach (string text in (string[])[new string('a', 1 << 20), new string(' ', 1 << 20) + "a", new string('<', 1 << 20), new string('你', 1 << 18)])
        {
            var watch = System.Diagnostics.Stopwatch.StartNew();
            IReadOnlyList<int> ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: true);
            output.WriteLine($"{ids.Count} tokens in {watch.ElapsedMilliseconds} ms");
            Assert.Equal(text, tokenizer.Decode(ids, skipSpecial: false));
        }
    }

    [Fact]
    public void Roles_and_flags()
    {
        if (Values("llama-spm") is not { } llama || Values("phi-3") is not { } phi || Values("deepseek-llm") is not { } deepSeek)
            return;
        ModelTokenizer model = GgufTokenizer.Read(llama);
        Assert.Equal((1, 2, null, 0), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.Equal([2], model.StopIds);
        Assert.Equal([1, 15043], model.Tokenizer.Encode("Hello", addSpecial: true, parseSpecial: false));
        Assert.Equal([1, 15043, 2, 15043], model.Tokenizer.Encode("<s>Hello</s>Hello", addSpecial: false, parseSpecial: true));
        Assert.DoesNotContain(1, model.Tokenizer.Encode("<s>Hello</s>", addSpecial: false, parseSpecial: false));

        model = GgufTokenizer.Read(phi);
        Assert.Equal((1, 32000, 32000, 0), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.Equal([32000, 32007], model.StopIds);
        string prompt = model.ChatTemplate!.Render([new("user", "Hello")], addGenerationPrompt: true);
        Assert.Equal("<s><|user|>\nHello<|end|>\n<|assistant|>\n", prompt);
        // The tokens take the line ends behind them.
        Assert.Equal([1, 32010, 15043, 32007, 32001], model.Tokenizer.Encode(prompt, addSpecial: false, parseSpecial: true));

        model = GgufTokenizer.Read(deepSeek);
        Assert.Equal((100000, 100001, 100001, null), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.Equal(100000, model.Tokenizer.Encode("a", addSpecial: true, parseSpecial: false)[0]);
        Assert.Equal([100002], model.Tokenizer.Encode("ø", addSpecial: false, parseSpecial: false));
    }

    [Theory]
    [InlineData("deepseek-llm")]
    [InlineData("falcon")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    public void Written_as_a_folder_and_back(string name)
    {
        if (Values(name) is not { } values || VectorFiles.Find(output, name) is not { } cases)
            return;
        ModelTokenizer first = GgufTokenizer.Read(values);
        using var folder = new TemporaryFolder();
        IReadOnlyList<string> written = GgufTokenizer.WriteFiles(values, folder.Path);
        Assert.Contains(folder["tokenizer.json"], written);
        Same(first, ModelTokenizer.Load(folder.Path), cases);

        // The folder as GGUF again has the same tokens.
        var again = new GgufMetadata("again.gguf");
        again.Set("general.name", values.Text("general.name")!);
        int rows = values.Strings("tokenizer.ggml.tokens")!.Length;
        Assert.Empty(GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), rows, again));
        Assert.Equal(values.Text("tokenizer.ggml.model"), again.Text("tokenizer.ggml.model"));
        Assert.Equal(values.Text("tokenizer.ggml.pre"), again.Text("tokenizer.ggml.pre"));
        Assert.Equal(values.Strings("tokenizer.ggml.tokens"), again.Strings("tokenizer.ggml.tokens"));
        Assert.Equal(values.Strings("tokenizer.ggml.merges"), again.Strings("tokenizer.ggml.merges"));
        Same(first, GgufTokenizer.Read(again), cases);

        if (!File.Exists(folder["tokenizer.model"]))
            return;
        // The merge list alone gives scores in the same order.
        File.Move(folder["tokenizer.model"], folder["kept"]);
        var fromMerges = new GgufMetadata("merges.gguf");
        fromMerges.Set("general.name", values.Text("general.name")!);
        Assert.Empty(GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), rows, fromMerges));
        Same(first, GgufTokenizer.Read(fromMerges), cases);
        File.Move(folder["kept"], folder["tokenizer.model"]);
        File.Delete(folder["tokenizer.json"]);
        Same(first, ModelTokenizer.Load(folder.Path), cases);
        var fromModel = new GgufMetadata("model.gguf");
        fromModel.Set("general.name", values.Text("general.name")!);
        Assert.Empty(GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), rows, fromModel));
        Assert.Equal(values.Strings("tokenizer.ggml.tokens"), fromModel.Strings("tokenizer.ggml.tokens"));
        Same(first, GgufTokenizer.Read(fromModel), cases);
    }

    private static void Same(ModelTokenizer expected, ModelTokenizer actual, List<(string Text, int[] Ids)> cases)
    {
        Assert.Equal((expected.BosId, expected.EosId, expected.PadId, expected.UnkId), (actual.BosId, actual.EosId, actual.PadId, actual.UnkId));
        Assert.Equal(expected.StopIds, actual.StopIds);
        ChatMessage[] talk = [new("user", "Hello"), new("assistant", "So so.")];
        Assert.Equal(expected.ChatTemplate?.Render(talk, true), actual.ChatTemplate?.Render(talk, true));
        foreach ((string text, int[] ids) in cases)
        {
            Assert.Equal(ids, actual.Tokenizer.Encode(text, addSpecial: false, parseSpecial: false));
            Assert.Equal(expected.Tokenizer.Encode(text, addSpecial: true, parseSpecial: true), actual.Tokenizer.Encode(text, addSpecial: true, parseSpecial: true));
        }
        var random = new Random(77);
        for (int n = 0; n < 300; n++)
        {
            string text = RandomText.Next(random, 40, astral: false) + (n % 5 == 0 ? "<s>x</s> <|end|>\n <|endoftext|>y" : "");
            IReadOnlyList<int> ids = expected.Tokenizer.Encode(text, addSpecial: true, parseSpecial: true);
            Assert.Equal(ids, actual.Tokenizer.Encode(text, addSpecial: true, parseSpecial: true));
            Assert.Equal(expected.Tokenizer.Decode(ids, skipSpecial: true), actual.Tokenizer.Decode(ids, skipSpecial: true));
        }
    }

    [Fact]
    public void Qwen3_from_its_folder_and_back()
    {
        if (!Fixtures.Find(output, "tokenizers/qwen3-tokenizer.json", out string path) || VectorFiles.Find(output, "qwen2") is not { } cases)
            return;
        using var folder = new TemporaryFolder();
        File.Copy(path, folder["tokenizer.json"]);
        File.Copy(path.Replace("tokenizer.json", "tokenizer_config.json", StringComparison.Ordinal), folder["tokenizer_config.json"]);
        ModelTokenizer model = ModelTokenizer.Load(folder.Path);
        var values = new GgufMetadata("qwen3.gguf");
        Assert.Empty(GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), 151936, values));
        Assert.Equal(("gpt2", "qwen2", 151936), (values.Text("tokenizer.ggml.model"), values.Text("tokenizer.ggml.pre"), values.Strings("tokenizer.ggml.tokens")!.Length));
        ModelTokenizer read = GgufTokenizer.Read(values);
        // Files do not say the ends of generation that are found by their texts.
        Assert.Equal([151645, 151643], read.StopIds);
        model = new ModelTokenizer(model.Tokenizer, read.StopIds, model.PadId, model.UnkId, model.ChatTemplate);
        Same(model, read, cases);

        using var back = new TemporaryFolder();
        GgufTokenizer.WriteFiles(values, back.Path);
        Same(model, ModelTokenizer.Load(back.Path), cases);

        MarrowException error = Assert.Throws<ModelFileException>(() => GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), 151668, new GgufMetadata("x")));
        Assert.Equal("TK018", error.Code);
        Assert.Contains("151669", error.Message, StringComparison.Ordinal);
        Assert.Contains("151668", error.Message, StringComparison.Ordinal);
    }
}
