using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>A model folder with a World vocabulary.</summary>
public sealed class WorldFolderTests : IDisposable
{
    private const string End = WorldTokenizer.UsualEndText;
    private static readonly ChatMessage[] Talk = [new("system", "S"), new("user", " q\n"), new("assistant", "one"), new("user", "r"), new("assistant", "two")];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private ModelTokenizer Load(string? config = null)
    {
        _folder.Put("rwkv_vocab_v20230424.txt", TinyWorld.Lines);
        if (config is not null)
            _folder.Put("tokenizer_config.json", config);
        return ModelTokenizer.Load(_folder.Path);
    }

    [Fact]
    public void The_vocabulary_alone()
    {
        ModelTokenizer model = Load();
        Assert.IsType<WorldTokenizer>(model.Tokenizer);
        Assert.Equal((0, 0, 0, null), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.Equal([0], model.StopIds);
        Assert.Empty(model.Warnings);
        Assert.Equal($"{End}System: S\n\nUser: q\n\nAssistant: one\n\nUser: r\n\nAssistant: two\n\n", model.ChatTemplate!.Render(Talk, false));
        Assert.Equal($"{End}User: q\n\nAssistant:", model.ChatTemplate.Render([new("user", "q")], true));
        Assert.Equal("CT003", Assert.Throws<MarrowException>(() => model.ChatTemplate.Render([new("tool", "x")], true)).Code);
        Assert.Equal([_folder["rwkv_vocab_v20230424.txt"]], TokenizerFiles.Find(_folder.Path).Present);
    }

    [Fact]
    public void Files_of_a_published_folder()
    {
        _folder.Put("generation_config.json", """{ "eos_token_id": [0, 261] }""");
        ModelTokenizer model = Load("""{ "bos_token": "<s>", "eos_token": "\n\n", "chat_template": "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}" }""");
        Assert.Equal((0, 0, "<s>"), (model.BosId, model.EosId, ((WorldTokenizer)model.Tokenizer).EndText));
        Assert.Equal([0, 261], model.StopIds);
        Assert.Equal("<s>user: q\n\n", model.ChatTemplate!.Render([new("user", "q")], false));
        Assert.True(model.ChatTemplate.EndsWithEos);
        // A text that is an ordinary token cannot stand for id 0.
        Assert.Equal(End, ((WorldTokenizer)Load("""{ "bos_token": "ab" }""").Tokenizer).EndText);
    }

    [Fact]
    public void Tokenizer_json_goes_first_and_two_vocabularies_are_refused()
    {
        _folder.Put("tokenizer.json", TinyTokenizers.SentencePiece().ToJsonString());
        Assert.IsType<HuggingFaceTokenizer>(Load().Tokenizer);
        _folder.Put("rwkv_vocab_old.txt", "x");
        ModelFileException error = Assert.Throws<ModelFileException>(() => ModelTokenizer.Load(_folder.Path));
        Assert.Equal("TK015", error.Code);
        Assert.Contains("rwkv_vocab_old.txt, rwkv_vocab_v20230424.txt", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_conversation_trains_the_replies_and_the_end_of_the_document()
    {
        ModelTokenizer model = Load();
        string path = _folder.Put("chat.jsonl",
            """{"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "bc"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}""" + "\n");
        LoadedDataset loaded = DatasetLoader.Load(path, new DatasetOptions(), new ModelVocabulary(301, model.Tokenizer, model.ChatTemplate));
        Assert.Empty(loaded.Report.Warnings);
        int[] ids = loaded.Examples.Ids(0).ToArray(), labels = loaded.Examples.Labels(0).ToArray();
        string text = $"{End}User: ab\n\nAssistant: bc\n\nUser: c\n\nAssistant: d\n\n";
        Assert.Equal([.. model.Tokenizer.Encode(text, false, parseSpecial: true), 0], ids);
        Assert.Equal(" bc\n\n d\n\n" + End, model.Tokenizer.Decode(labels.Where(l => l != TokenExample.Ignore), skipSpecial: false));
        Assert.Equal(0, labels[^1]);
        IReadOnlyList<int> prompt = ChatPrompt.Encode([new("user", "ab")], model.Tokenizer, model.ChatTemplate!);
        Assert.Equal(prompt, ids.Take(prompt.Count));

        LoadedDataset whole = DatasetLoader.Load(path, new DatasetOptions { MaskPrompt = false }, new ModelVocabulary(301, model.Tokenizer, model.ChatTemplate));
        Assert.Equal(ids, whole.Examples.Ids(0).ToArray());
        Assert.Equal(ids, whole.Examples.Labels(0).ToArray());
    }

    [Fact]
    public void A_text_is_followed_by_the_end_only()
    {
        ModelTokenizer model = Load();
        string path = _folder.Put("text.jsonl", """{"text": "abcd"}""" + "\n");
        Assert.Equal([258, 0], DatasetLoader.Load(path, new DatasetOptions(), new ModelVocabulary(301, model.Tokenizer)).Examples.Ids(0).ToArray());
    }
}
