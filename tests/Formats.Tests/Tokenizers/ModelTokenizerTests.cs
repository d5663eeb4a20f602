using System.Text.Json.Nodes;
using Marrow.Formats.Tokenizers;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Tokenizers;

public sealed class ModelTokenizerTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private ModelTokenizer Load(string? config = null, JsonObject? tokenizer = null)
    {
        _folder.Put("tokenizer.json", (tokenizer ?? TinyTokenizers.SentencePiece()).ToJsonString());
        if (config is not null)
            _folder.Put("tokenizer_config.json", config);
        return ModelTokenizer.Load(_folder.Path);
    }

    private static readonly ChatMessage[] Hello = [new("user", "ab")];

    [Fact]
    public void Only_tokenizer_json()
    {
        ModelTokenizer model = Load();
        Assert.Equal((null, null, null, null, null), (model.BosId, model.EosId, model.PadId, model.UnkId, model.ChatTemplate));
        Assert.Empty(model.StopIds);
        Assert.Equal([1, 265], model.Tokenizer.Encode("ab", addSpecial: true, parseSpecial: false));
    }

    [Fact]
    public void Special_ids_and_template()
    {
        ModelTokenizer model = Load("""
            { "bos_token": { "content": "<s>", "special": true }, "eos_token": "</s>", "unk_token": null, "pad_token": "c",
              "chat_template": "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}" }
            """);
        Assert.Equal((1, 2, 262, null), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.True(model.Tokenizer.IsSpecial(262));
        Assert.Equal("<s>[user]ab", model.ChatTemplate!.Render(Hello, addGenerationPrompt: true));
    }

    [Fact]
    public void The_map_fills_what_the_configuration_does_not_mention()
    {
        _folder.Put("special_tokens_map.json", """{ "bos_token": "c", "eos_token": { "content": "</s>" }, "unk_token": "<unk>" }""");
        _folder.Put("generation_config.json", """{ "eos_token_id": [2, 7] }""");
        ModelTokenizer model = Load("""{ "bos_token": "<s>", "unk_token": null }""");
        Assert.Equal((1, 2, null, null), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.Equal([2, 7], model.StopIds);
    }

    [Theory]
    [InlineData("""{ "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>" }""", new[] { 1, 265 })]
    [InlineData("""{ "tokenizer_class": "LlamaTokenizerFast", "add_bos_token": false, "add_eos_token": true, "bos_token": "<s>", "eos_token": "</s>" }""", new[] { 265, 2 })]
    [InlineData("""{ "tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": false, "add_eos_token": true, "bos_token": "<s>", "eos_token": "</s>" }""", new[] { 1, 265 })]
    public void Who_decides_about_bos_and_eos(string config, int[] expected) =>
        Assert.Equal(expected, Load(config).Tokenizer.Encode("ab", addSpecial: true, parseSpecial: false));

    [Fact]
    public void Templates_by_name_and_in_their_own_file()
    {
        const string named = """{ "chat_template": [{ "name": "tool_use", "template": "T" }, { "name": "default", "template": "D" }] }""";
        Assert.Equal("D", Load(named).ChatTemplate!.Render(Hello, false));
        Assert.Equal("T", Load("""{ "chat_template": [{ "name": "x", "template": "T" }] }""").ChatTemplate!.Render(Hello, false));
        Assert.Equal("TK009", Assert.Throws<ModelFileException>(() => Load(named.Replace("default", "other", StringComparison.Ordinal))).Code);
        _folder.Put("chat_template.jinja", "J\n");
        Assert.Equal("J", Load(named).ChatTemplate!.Render(Hello, false));
    }

    [Fact]
    public void A_template_that_is_not_supported_does_not_stop_the_tokenizer()
    {
        ModelTokenizer model = Load("""{ "chat_template": "a\n{% include 'b' %}" }""");
        var error = Assert.Throws<MarrowException>(() => model.ChatTemplate!.Render(Hello, false));
        Assert.Equal("CT001", error.Code);
        Assert.Contains("line 2", error.Message, StringComparison.Ordinal);
        Assert.Contains("'include'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "eos_token": "<nothing>" }""", "TK014")]
    [InlineData("""{ "additional_special_tokens": ["<nothing>"] }""", "TK014")]
    [InlineData("""{ "added_tokens_decoder": { "9": { "content": "<nothing>" } } }""", "TK014")]
    [InlineData("""{ "tokenizer_class": "LlamaTokenizer" }""", "TK014")]
    [InlineData("""{ "eos_token": 5 }""", "TK009")]
    [InlineData("""[]""", "TK009")]
    [InlineData("""{""", "TK008")]
    public void Configurations_that_do_not_fit(string config, string code) =>
        Assert.Equal(code, Assert.Throws<ModelFileException>(() => Load(config)).Code);

    [Fact]
    public void A_missing_file_names_the_remedy()
    {
        Assert.Contains("copy tokenizer.json", Assert.Throws<ModelFileException>(() => ModelTokenizer.Load(_folder.Path)).Message, StringComparison.Ordinal);
        _folder.Put("tokenizer.model", "x");
        Assert.Contains("no sentencepiece model", Assert.Throws<ModelFileException>(() => ModelTokenizer.Load(_folder.Path)).Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<ModelFileException>(() => ModelTokenizer.Load(_folder["x"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Qwen3_as_a_folder()
    {
        if (!Fixtures.Find(output, "tokenizers/qwen3-tokenizer.json", out string path))
            return;
        File.Copy(path, _folder["tokenizer.json"]);
        File.Copy(path.Replace("tokenizer.json", "tokenizer_config.json", StringComparison.Ordinal), _folder["tokenizer_config.json"]);
        ModelTokenizer model = ModelTokenizer.Load(_folder.Path);
        Assert.Equal((null, 151645, 151643, null), (model.BosId, model.EosId, model.PadId, model.UnkId));

        string prompt = model.ChatTemplate!.Render([new("system", "Be brief."), new("user", "Hi"), new("assistant", "<think>\nshort\n</think>\n\nHello."), new("user", "Bye")], addGenerationPrompt: true);
        // The thoughts before the last question are dropped.
        Assert.Equal("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n", prompt);
        Assert.Equal(4, model.Tokenizer.Encode(prompt, false, parseSpecial: true).Count(id => id == 151645));

        // The last answer keeps its thoughts, or gets empty ones.
        Assert.Equal(
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nHello.<|im_end|>\n",
            model.ChatTemplate.Render([new("user", "Hi"), new("assistant", "Hello.")], addGenerationPrompt: false));
        Assert.Equal(
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\nwell\n</think>\n\nHello.<|im_end|>\n<|im_start|>user\n<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response><|im_end|>\n",
            model.ChatTemplate.Render([new("user", "Hi"), new("assistant", "<think>\nwell\n</think>\nHello."), new("tool", "1"), new("tool", "2")], addGenerationPrompt: false));
    }
}
