using System.Text;
using Marrow.Formats.Tokenizers;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Tokenizers;

public class Qwen3Tests(ITestOutputHelper output)
{
    private static readonly Lock Loading = new();
    private static HuggingFaceTokenizer? s_tokenizer;

    private HuggingFaceTokenizer? Load()
    {
        if (!Fixtures.Find(output, "tokenizers/qwen3-tokenizer.json", out string path))
            return null;
        lock (Loading)
            return s_tokenizer ??= TokenizerJson.Load(path);
    }

    [Fact]
    public void Answers_all_vectors()
    {
        if (Load() is not { } tokenizer || VectorFiles.Find(output, "qwen2") is not { } cases)
            return;
        foreach ((string text, int[] ids) in cases)
        {
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial: false, parseSpecial: false));
            Assert.Equal(text.Normalize(), tokenizer.Decode(ids, skipSpecial: false));
        }
    }

    [Fact]
    public void Special_tokens_are_read_only_where_asked()
    {
        if (Load() is not { } tokenizer)
            return;
        Assert.Equal(151669, tokenizer.VocabularySize);
        Assert.Equal(151645, tokenizer.IdOf("<|im_end|>"));
        Assert.True(tokenizer.IsSpecial(151645));
        IReadOnlyList<int> parsed = tokenizer.Encode("a<|im_end|>\n<think>", addSpecial: true, parseSpecial: true);
        Assert.Equal([64, 151645, 198, 151667], parsed);
        IReadOnlyList<int> plain = tokenizer.Encode("a<|im_end|>\n<think>", addSpecial: true, parseSpecial: false);
        Assert.DoesNotContain(151645, plain);
        Assert.Contains(151667, plain);
        Assert.Equal("a\n<think>", tokenizer.Decode(parsed, skipSpecial: true));
        Assert.Equal("a<|im_end|>\n<think>", tokenizer.Decode(parsed, skipSpecial: false));
        Assert.Equal("a<|im_end|>\n<think>", tokenizer.Decode(plain, skipSpecial: true));
    }

    [Fact]
    public void Any_text_comes_back_normalised()
    {
        if (Load() is not { } tokenizer)
            return;
        var random = new Random(20);
        for (int n = 0; n < 300; n++)
        {
            string text = RandomText.Next(random, 40);
            IReadOnlyList<int> ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
            string expected = text.Normalize(NormalizationForm.FormC);
            Assert.Equal(expected, tokenizer.Decode(ids, skipSpecial: false));

            IStreamingDecoder stream = tokenizer.CreateStreamingDecoder(skipSpecial: false);
            string streamed = string.Concat(ids.Select(stream.Push)) + stream.Flush();
            Assert.Equal(expected, streamed);
        }
    }

    [Fact]
    public void Streaming_holds_back_half_characters()
    {
        if (Load() is not { } tokenizer)
            return;
        IReadOnlyList<int> ids = tokenizer.Encode("\U00013000", addSpecial: false, parseSpecial: false);
        Assert.True(ids.Count > 1);
        IStreamingDecoder stream = tokenizer.CreateStreamingDecoder(skipSpecial: true);
        for (int i = 0; i < ids.Count - 1; i++)
            Assert.Equal("", stream.Push(ids[i]));
        Assert.Equal("\U00013000", stream.Push(ids[^1]));
        Assert.Equal("", stream.Push(ids[0]));
        Assert.Equal("\uFFFD", stream.Flush());
        Assert.Equal("a", stream.Push(64));
    }

    [Fact]
    public void Many_threads_get_the_same_ids()
    {
        if (Load() is not { } tokenizer)
            return;
        string text = string.Join(' ', Enumerable.Range(0, 2000).Select(i => $"word{i * 7919 % 1000}, {i}"));
        IReadOnlyList<int> expected = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
        Parallel.For(0, 8, _ => Assert.Equal(expected, tokenizer.Encode(text, addSpecial: false, parseSpecial: false)));
    }
}
