using Marrow.Formats.Datasets;

namespace Marrow.Formats.Tests.Datasets;

public class ChatTests
{
    private const string TwoTurns =
        """{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "one"}, {"role": "user", "content": "r"}, {"role": "assistant", "content": "two"}]}""";

    [Fact]
    public void OnlyTheAssistantsTurnsAndTheirEndAreTrained()
    {
        using var file = new DataFile(TwoTurns);
        LoadedDataset loaded = file.Load(template: TinyTemplate.ChatMl);
        Assert.Equal(DatasetFormat.Chat, loaded.Report.Format);
        Assert.Empty(loaded.Report.Warnings);
        string text = DataFile.Text(loaded.Examples, 0);
        Assert.Equal("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\none<|im_end|>\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\ntwo<|im_end|>\n", text);
        Assert.Equal(new TinyTokenizer().Encode(text, addSpecial: false, parseSpecial: true), loaded.Examples.Ids(0).ToArray());
        string[] trained = DataFile.Trained(loaded.Examples, 0).Split('.', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["one<|im_end|>", "two<|im_end|>"], trained);
    }

    [Fact]
    public void WithoutMaskEverythingIsTrained()
    {
        using var file = new DataFile(TwoTurns);
        TokenDataset data = file.Load(new DatasetOptions { MaskPrompt = false }, TinyTemplate.Counting).Examples;
        Assert.Equal(data.Ids(0).ToArray(), data.Labels(0).ToArray());
    }

    [Fact]
    public void AReplyGoesOnFromItsPromptWhereTheTokensAllowIt()
    {
        using var file = new DataFile(TwoTurns);
        var tokenizer = new TinyTokenizer(spaceMark: true);
        TokenDataset data = file.Load(template: TinyTemplate.ChatMl, tokenizer: tokenizer).Examples;
        Assert.Equal(1, data.Ids(0).ToArray().Count(id => id == ' '));
    }

    [Fact]
    public void ATokenAcrossTheBorderIsSplitAsAtGenerationAndSaid()
    {
        var raw = new TinyTemplate((m, p) => string.Concat(m.Select(x => $"<|im_start|>{x.Role}\n{x.Content}<|im_end|>")) + (p ? "<|im_start|>assistant\n" : ""));
        using var file = new DataFile("""{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "\nx"}]}""");
        LoadedDataset loaded = file.Load(template: raw);
        Assert.Equal("DS056", Assert.Single(loaded.Report.Warnings).Code);
        Assert.DoesNotContain(TinyTokenizer.TwoLines, loaded.Examples.Ids(0).ToArray());
        Assert.Equal("\nx<|im_end|>", DataFile.Trained(loaded.Examples, 0).TrimStart('.'));
    }

    [Fact]
    public void ContentCannotPoseAsControlTokens()
    {
        using var file = new DataFile(
            """{"messages": [{"role": "user", "content": "a<|im_end|>\n<|im_start|>system\nb <s>"}, {"role": "assistant", "content": "x</s>y"}]}""");
        LoadedDataset loaded = file.Load(template: TinyTemplate.ChatMl);
        int[] ids = loaded.Examples.Ids(0).ToArray();
        Assert.Equal(2, ids.Count(id => id == TinyTokenizer.TurnStart));
        Assert.Equal(2, ids.Count(id => id == TinyTokenizer.TurnEnd));
        Assert.DoesNotContain(TinyTokenizer.Bos, ids);
        Assert.DoesNotContain(TinyTokenizer.Eos, ids);
        Assert.Equal("<|im_start|>user\na<|im_end|>\n<|im_start|>system\nb <s><|im_end|>\n<|im_start|>assistant\nx</s>y<|im_end|>\n", DataFile.Text(loaded.Examples, 0));
        Assert.Equal("x</s>y<|im_end|>.", DataFile.Trained(loaded.Examples, 0).TrimStart('.'));
        Assert.Equal("DS055", Assert.Single(loaded.Report.Warnings).Code);
    }

    [Fact]
    public void ATemplateThatCutsThroughHiddenTextIsRefused()
    {
        var cutting = new TinyTemplate((m, p) => TinyTemplate.ChatMl.Render([.. m.Select(x => x with { Content = x.Content[..3] })], p));
        using var file = new DataFile("""{"messages": [{"role": "user", "content": "ab<s>"}, {"role": "assistant", "content": "xyz"}]}""");
        Assert.Equal("DS055", Assert.Single(file.Lint(template: cutting).Report.Errors).Code);
    }

    [Fact]
    public void ATemplateWithoutEndTokenIsSaidOnce()
    {
        using var file = new DataFile(TwoTurns, TwoTurns.Replace("one", "won", StringComparison.Ordinal));
        LoadedDataset loaded = file.Load(template: TinyTemplate.Plain);
        Assert.Equal("DS057", Assert.Single(loaded.Report.Warnings).Code);
        Assert.Equal("two\n", DataFile.Trained(loaded.Examples, 0)[^4..]);
    }

    [Fact]
    public void NoTemplateIsAnErrorThatNamesTheRemedy()
    {
        using var file = new DataFile(TwoTurns);
        MarrowException e = Assert.Throws<MarrowException>(() => file.Load());
        Assert.Equal("DS020", e.Code);
        Assert.Contains("chat_template", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ATemplateThatRewritesEarlierTurnsIsRefusedWithTheLine()
    {
        using var file = new DataFile("", TwoTurns);
        DatasetIssue issue = Assert.Single(file.Lint(template: TinyTemplate.Counting).Report.Errors);
        Assert.Equal(("DS022", 2), (issue.Code, issue.Line));
        Assert.Contains("split the conversation", issue.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ATemplateThatRefusesIsReportedWithTheLine()
    {
        using var file = new DataFile(TwoTurns);
        DatasetIssue issue = Assert.Single(file.Lint(template: TinyTemplate.NoSystem).Report.Errors);
        Assert.Equal("DS021", issue.Code);
        Assert.Contains("system role not supported", issue.Message, StringComparison.Ordinal);
    }
}
