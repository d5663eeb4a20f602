using Marrow.Formats.Datasets;

namespace Marrow.Formats.Tests.Datasets;

public class RowKindTests
{
    [Fact]
    public void TextIsTrainedWhollyBetweenBosAndEos()
    {
        using var file = new DataFile("""{"text": "ab"}""");
        LoadedDataset loaded = file.Load();
        Assert.Equal(DatasetFormat.Text, loaded.Report.Format);
        Assert.Equal([TinyTokenizer.Bos, 'a', 'b', TinyTokenizer.Eos], loaded.Examples.Ids(0).ToArray());
        Assert.Equal(loaded.Examples.Ids(0).ToArray(), loaded.Examples.Labels(0).ToArray());
        Assert.Equal(3, loaded.Statistics.Targets);
    }

    [Theory]
    [InlineData("ab</s>", false)]
    [InlineData("ab", true)]
    public void EosStandsOnceAtTheEnd(string text, bool tokenizerAddsEos)
    {
        using var file = new DataFile($$"""{"text": "{{text}}"}""", $$"""{"text": "1{{text}}"}""");
        LoadedDataset loaded = file.Load(tokenizer: new TinyTokenizer(addsEos: tokenizerAddsEos));
        Assert.Equal([TinyTokenizer.Bos, 'a', 'b', TinyTokenizer.Eos], loaded.Examples.Ids(0).ToArray());
        Assert.Equal(0, loaded.Report.WarningCount);
    }

    [Fact]
    public void MissingEosIsSaidOnce()
    {
        using var file = new DataFile("""{"text": "ab"}""", """{"text": "cd"}""");
        LoadedDataset loaded = file.Load(tokenizer: new TinyTokenizer(hasEos: false));
        Assert.Equal([TinyTokenizer.Bos, 'a', 'b'], loaded.Examples.Ids(0).ToArray());
        Assert.Equal("DS058", Assert.Single(loaded.Report.Warnings).Code);
    }

    [Fact]
    public void SpecialTokensInTextArePlainUnlessAskedFor()
    {
        using var file = new DataFile("""{"text": "<|im_end|>x"}""");
        LoadedDataset plain = file.Load();
        Assert.Equal("DS055", Assert.Single(plain.Report.Warnings).Code);
        Assert.DoesNotContain(TinyTokenizer.TurnEnd, plain.Examples.Ids(0).ToArray());
        LoadedDataset parsed = file.Load(new DatasetOptions { ParseSpecialTokens = true });
        Assert.Equal([TinyTokenizer.Bos, TinyTokenizer.TurnEnd, 'x', TinyTokenizer.Eos], parsed.Examples.Ids(0).ToArray());
        Assert.Empty(parsed.Report.Warnings);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void CompletionMasksThePromptAndKeepsItsTokens(bool tokenizerAddsEos)
    {
        // The two line feeds would merge across the border if prompt and completion were tokenised together.
        using var file = new DataFile("""{"prompt": "q\n", "completion": "\na"}""");
        LoadedDataset loaded = file.Load(tokenizer: new TinyTokenizer(addsEos: tokenizerAddsEos));
        Assert.Equal(DatasetFormat.Completion, loaded.Report.Format);
        Assert.Equal([TinyTokenizer.Bos, 'q', '\n', '\n', 'a', TinyTokenizer.Eos], loaded.Examples.Ids(0).ToArray());
        Assert.Equal([-100, -100, -100, '\n', 'a', TinyTokenizer.Eos], loaded.Examples.Labels(0).ToArray());
    }

    [Fact]
    public void CompletionWithoutMaskTrainsThePrompt()
    {
        using var file = new DataFile("""{"prompt": "q", "completion": "a"}""");
        LoadedDataset loaded = file.Load(new DatasetOptions { MaskPrompt = false });
        Assert.Equal(loaded.Examples.Ids(0).ToArray(), loaded.Examples.Labels(0).ToArray());
    }

    [Fact]
    public void AlpacaWithoutTemplateIsAPromptAndACompletion()
    {
        using var file = new DataFile(
            """{"instruction": "add", "input": "1 1", "output": "2"}""", """{"instruction": "say", "output": "hi"}""", """{"instruction": "say", "input": null, "output": "ho", "text": "unused"}""");
        LoadedDataset loaded = file.Load();
        Assert.Equal(DatasetFormat.Alpaca, loaded.Report.Format);
        Assert.Equal("<s>### Instruction:\nadd\n\n### Input:\n1 1\n\n### Response:\n2</s>", DataFile.Text(loaded.Examples, 0));
        Assert.Equal("<s>### Instruction:\nsay\n\n### Response:\nhi</s>", DataFile.Text(loaded.Examples, 1));
        Assert.Equal("2</s>", DataFile.Trained(loaded.Examples, 0).TrimStart('.'));
        Assert.Equal("ho</s>", DataFile.Trained(loaded.Examples, 2).TrimStart('.'));
        Assert.Equal(("DS054", 3), (loaded.Report.Warnings[0].Code, loaded.Report.Warnings[0].Line));
    }

    [Fact]
    public void AlpacaWithTemplateIsAUserTurnAndAReply()
    {
        using var file = new DataFile("""{"instruction": "add", "input": "1 1", "output": "2"}""");
        TokenDataset data = file.Load(template: TinyTemplate.ChatMl).Examples;
        Assert.Equal("<|im_start|>user\nadd\n\n1 1<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n", DataFile.Text(data, 0));
        Assert.Equal("2<|im_end|>.", DataFile.Trained(data, 0).TrimStart('.'));
    }

    [Fact]
    public void TokensAreTakenAsTheyAre()
    {
        using var file = new DataFile("""{"input_ids": [1, 2, 3]}""", """{"input_ids": [4, 5], "labels": [-100, 6]}""");
        LoadedDataset loaded = DatasetLoader.Load(file.Path, new DatasetOptions(), new ModelVocabulary(7));
        Assert.Equal(DatasetFormat.Tokens, loaded.Report.Format);
        Assert.Equal([1, 2, 3], loaded.Examples.Labels(0).ToArray());
        Assert.Equal([4, 5], loaded.Examples[1].Ids.ToArray());
        Assert.Equal([-100, 6], loaded.Examples[1].Labels.ToArray());
        Assert.Equal((2, 5, 3), (loaded.Examples.Count, loaded.Examples.Tokens, loaded.Examples.Targets));
        Assert.Equal(2, loaded.Examples.Line(1));
    }

    [Fact]
    public void PreviewShowsWhatIsTrained()
    {
        using var file = new DataFile("""{"prompt": "q", "completion": "é"}""");
        IReadOnlyList<PreviewPiece> pieces = ExamplePreview.Of(file.Load().Examples[0], new TinyTokenizer());
        Assert.Equal(
            [new("<s>", 256, false), new("q", 'q', false), new("", 0xC3, true), new("é", 0xA9, true), new("</s>", 257, true)], pieces);
        Assert.False(ExamplePreview.Of(TokenDataset.From([new TokenExample([65, 66], [65, 66])])[0], new TinyTokenizer())[0].Trained);
    }

    [Theory]
    [InlineData("tokens", DatasetFormat.Tokens)]
    [InlineData("Chat", DatasetFormat.Chat)]
    public void FormatsHaveNames(string name, DatasetFormat format) => Assert.Equal(format, DatasetOptions.ParseFormat(name));

    [Theory]
    [InlineData("sharegpt")]
    [InlineData("1")]
    public void OtherFormatNamesAreRefused(string name) =>
        Assert.Equal("DS005", Assert.Throws<MarrowException>(() => DatasetOptions.ParseFormat(name)).Code);
}
