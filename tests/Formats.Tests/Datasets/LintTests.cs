using System.Security.Cryptography;
using System.Text;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Tests.Datasets;

public class LintTests
{
    private const string Good = """{"text": "good"}""";

    [Theory]
    [InlineData("{\"text\": \"é\", }", "DS011", 15)]
    [InlineData("{\"text\": \"a\"", "DS011", 13)]
    [InlineData("{\"text\": \"a\", \"text\": \"b\"}", "DS011", null)]
    [InlineData("[{\"text\": \"a\"},", "DS011", 15)]
    [InlineData("[1]", "DS012", null)]
    [InlineData("\"text\"", "DS012", null)]
    [InlineData("{\"other\": 1}", "DS015", null)]
    [InlineData("{}", "DS015", null)]
    [InlineData("{\"prompt\": \"a\", \"completion\": \"b\"}", "DS014", null)]
    [InlineData("{\"text\": 1}", "DS016", null)]
    [InlineData("{\"text\": null}", "DS016", null)]
    [InlineData("{\"text\": \"\"}", "DS017", null)]
    [InlineData("{\"text\": \"\\ud800\"}", "DS010", null)]
    [InlineData("{\"text\": \"a\", \"\\ud800\": 1}", "DS010", null)]
    public void BadTextRowsAreFound(string line, string code, int? column) => Check([Good, line, Good + " "], code, column);

    [Theory]
    [InlineData("{\"prompt\": \"a\", \"completion\": \"\"}", "DS017")]
    [InlineData("{\"prompt\": \"a\"}", "DS015")]
    [InlineData("{\"prompt\": [], \"completion\": \"b\"}", "DS016")]
    public void BadCompletionRowsAreFound(string line, string code) =>
        Check(["""{"prompt": "", "completion": "x"}""", line, """{"prompt": "p", "completion": "x"}"""], code);

    [Theory]
    [InlineData("[{\"role\": \"robot\", \"content\": \"a\"}]", "DS018")]
    [InlineData("[{\"role\": \"user\", \"content\": \"a\"}]", "DS019")]
    [InlineData("[]", "DS017")]
    [InlineData("\"hello\"", "DS016")]
    [InlineData("[\"hello\"]", "DS016")]
    [InlineData("[{\"role\": \"user\"}]", "DS015")]
    [InlineData("[{\"content\": \"user\"}]", "DS015")]
    [InlineData("[{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]", "DS016")]
    [InlineData("[{\"role\": 3, \"content\": \"a\"}]", "DS016")]
    [InlineData("[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"\"}]", "DS017")]
    public void BadConversationsAreFound(string messages, string code)
    {
        const string fine = """{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "NR"}]}""";
        Check([fine.Replace("NR", "1", StringComparison.Ordinal), $$"""{"messages": {{messages}}}""", fine], code);
    }

    [Theory]
    [InlineData("{\"input_ids\": [1, 2], \"labels\": [1]}", "DS023")]
    [InlineData("{\"input_ids\": [1, 261]}", "DS024")]
    [InlineData("{\"input_ids\": [1, -1]}", "DS024")]
    [InlineData("{\"input_ids\": [1, 2], \"labels\": [1, -99]}", "DS024")]
    [InlineData("{\"input_ids\": [1, 2], \"labels\": [1, 261]}", "DS024")]
    [InlineData("{\"input_ids\": [1, 2.5]}", "DS016")]
    [InlineData("{\"input_ids\": [1, 3000000000]}", "DS016")]
    [InlineData("{\"input_ids\": [1, \"2\"]}", "DS016")]
    [InlineData("{\"input_ids\": []}", "DS017")]
    [InlineData("{\"input_ids\": {}}", "DS016")]
    [InlineData("{\"input_ids\": [1, 2], \"labels\": null}", "DS016")]
    public void BadTokenRowsAreFound(string line, string code) => Check(["""{"input_ids": [1, 2]}""", line, """{"input_ids": [1, 3]}"""], code);

    [Theory]
    [InlineData("[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"b\"}, {\"role\": \"assistant\", \"content\": \"c\"}]", "DS051")]
    [InlineData("[{\"role\": \"assistant\", \"content\": \"a\"}]", "DS051")]
    [InlineData("[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"c\"}, {\"role\": \"user\", \"content\": \"b\"}]", "DS052")]
    [InlineData("[{\"role\": \"user\", \"content\": \"a\", \"name\": \"n\"}, {\"role\": \"assistant\", \"content\": \"c\"}]", "DS054")]
    public void OddConversationsAreWarnedOf(string messages, string code)
    {
        using var file = new DataFile($$"""{"messages": {{messages}}}""");
        LoadedDataset loaded = file.Load(template: TinyTemplate.ChatMl);
        Assert.Equal((code, 1), (Assert.Single(loaded.Report.Warnings).Code, loaded.Examples.Count));
    }

    [Fact]
    public void AFirstRowOfNoKnownKindIsAnErrorAndTheNextOneDecides()
    {
        using var file = new DataFile("""{"conversation": 1}""", Good);
        DatasetReport report = file.Lint().Report;
        Assert.Equal(("DS013", 1), (Assert.Single(report.Errors).Code, report.Errors[0].Line));
        Assert.Contains("'conversation'", report.Errors[0].Message, StringComparison.Ordinal);
        Assert.Equal(DatasetFormat.Text, report.Format);
    }

    [Fact]
    public void AGivenFormatIsHeldAgainstEveryRow()
    {
        using var file = new DataFile(Good);
        Assert.Equal("DS014", Assert.Single(file.Lint(new DatasetOptions { Format = DatasetFormat.Completion }).Report.Errors).Code);
    }

    [Fact]
    public void DuplicatesAreWarnedOfWithBothLines()
    {
        using var file = new DataFile(Good, """{"text": "else"}""", Good);
        DatasetIssue issue = Assert.Single(file.Load().Report.Warnings);
        Assert.Equal(("DS050", 3), (issue.Code, issue.Line));
        Assert.Contains("line 1", issue.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void InvalidUtf8IsFoundWithItsColumn()
    {
        using var file = new DataFile([.. Encoding.UTF8.GetBytes(Good + "\n{\"text\": \"é"), 0xFF, .. "\"}\n"u8]);
        DatasetIssue issue = Assert.Single(file.Lint().Report.Errors);
        Assert.Equal(("DS010", 2, 12), (issue.Code, issue.Line, issue.Column));
    }

    [Fact]
    public void ByteOrderMarkCrlfAndBlankLinesAreAccepted()
    {
        byte[] bytes = [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes($"{Good}\r\n\r\n  \t\n{Good.Replace("good", "x", StringComparison.Ordinal)}")];
        using var file = new DataFile(bytes);
        LoadedDataset loaded = file.Load();
        Assert.Equal((4, 2, 2), (loaded.Report.Lines, loaded.Report.BlankLines, loaded.Examples.Count));
        Assert.Equal(4, loaded.Examples.Line(1));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), Assert.Single(loaded.Report.Files).Sha256);
    }

    [Fact]
    public void LinesLongerThanTheBufferAreReadWhole()
    {
        string[] texts = [new('a', 200_000), "b", new('c', 70_000), new('d', 65_536)];
        using var file = new DataFile([.. texts.Select(t => $$"""{"text": "{{t}}"}""")]);
        LoadedDataset loaded = file.Load(new DatasetOptions { MaxLength = 1 << 20 });
        Assert.Equal(texts.Select(t => t.Length + 2), Enumerable.Range(0, 4).Select(loaded.Examples.Length));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file.Path))), Assert.Single(loaded.Report.Files).Sha256);
    }

    [Theory]
    [InlineData(new byte[] { }, "DS002")]
    [InlineData(new byte[] { 0xEF, 0xBB, 0xBF }, "DS002")]
    [InlineData(new byte[] { 10, 32, 10 }, "DS002")]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x7B, 0 }, "DS010")]
    public void FilesWithoutRowsAreRefused(byte[] bytes, string code)
    {
        using var file = new DataFile(bytes);
        Assert.Equal(code, Assert.Throws<MarrowException>(() => file.Lint()).Code);
    }

    [Fact]
    public void AMissingFileAFolderAndABadLimitAreRefused()
    {
        using var file = new DataFile(Good);
        var model = new ModelVocabulary(261, new TinyTokenizer());
        Assert.Equal("DS001", Assert.Throws<MarrowException>(() => DatasetLoader.Load(file.Path + ".no", new DatasetOptions(), model)).Code);
        Assert.Contains("is a folder; data.train and data.eval name JSONL files [DS001]", Assert.Throws<MarrowException>(() => DatasetLoader.Load(Path.GetTempPath(), new DatasetOptions(), model)).Message, StringComparison.Ordinal);
        Assert.Equal("DS009", Assert.Throws<MarrowException>(() => file.Load(new DatasetOptions { MaxLength = 1 })).Code);
        Assert.Equal("DS008", Assert.Throws<MarrowException>(() => DatasetLoader.Load(file.Path, new DatasetOptions(), new ModelVocabulary(261))).Code);
    }

    [Fact]
    public void ATokenizerOfAnotherModelIsFound()
    {
        using var file = new DataFile(Good);
        DatasetIssue issue = Assert.Single(DatasetLoader.Lint(file.Path, new DatasetOptions(), new ModelVocabulary(200, new TinyTokenizer())).Report.Errors);
        Assert.Equal("DS024", issue.Code);
        Assert.Contains("do not belong together", issue.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ManyErrorsAreCountedAndTheFirstShown()
    {
        using var file = new DataFile([.. Enumerable.Range(0, 150).Select(i => $"not json {i}")]);
        DatasetReport report = file.Lint().Report;
        Assert.Equal((150, 100), (report.ErrorCount, report.Errors.Count));
        MarrowException e = Assert.Throws<MarrowException>(() => file.Load());
        Assert.Equal("DS003", e.Code);
        Assert.Contains("line 20,", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("line 21,", e.Message, StringComparison.Ordinal);
        Assert.Contains("130 more", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DamagedFilesGiveNothingButCodedErrors()
    {
        byte[] whole = Encoding.UTF8.GetBytes(string.Join('\n',
            """{"messages": [{"role": "user", "content": "q \u00e9 <s>"}, {"role": "assistant", "content": "é😀"}]}""",
            """{"prompt": "a", "completion": "b"}""", """{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}""",
            """{"instruction": "a", "input": "", "output": "b"}""", """{"text": "\ud83d\ude00"}"""));
        var random = new SplitMix64(11);
        int refused = 0;
        for (int round = 0; round < 400; round++)
        {
            byte[] bytes = [.. whole.AsSpan(random.Next(whole.Length / 2), whole.Length / 2)];
            for (int i = random.Next(6); i >= 0; i--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            using var file = new DataFile(bytes);
            try
            {
                file.Load(new DatasetOptions { Format = (DatasetFormat)random.Next(6) }, TinyTemplate.ChatMl);
            }
            catch (MarrowException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1, 400);
    }

    /// <summary>The second line has the error, and only it.</summary>
    private static void Check(string[] lines, string code, int? column = null)
    {
        using var file = new DataFile(lines);
        DatasetReport report = file.Lint(template: TinyTemplate.ChatMl).Report;
        DatasetIssue issue = Assert.Single(report.Errors);
        Assert.Equal((code, 2), (issue.Code, issue.Line));
        if (column is not null)
            Assert.Equal(column, issue.Column);
        Assert.Equal("DS003", Assert.Throws<MarrowException>(report.ThrowIfErrors).Code);
    }
}
