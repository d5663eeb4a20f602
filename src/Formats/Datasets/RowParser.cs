using System.Text;
using System.Text.Json;

namespace Marrow.Formats.Datasets;

/// <summary>Turns a line of JSON into a row of the file's kind; the first row that tells decides the kind where none was given.</summary>
internal sealed class RowParser(DatasetFormat format, IssueLog log)
{
    // In the order in which the keys decide: published alpaca files carry a text column as well.
    private static readonly (DatasetFormat Format, string[] Required, string[] Optional)[] Kinds =
    [
        (DatasetFormat.Tokens, ["input_ids"], ["labels"]),
        (DatasetFormat.Chat, ["messages"], []),
        (DatasetFormat.Alpaca, ["instruction", "output"], ["input"]),
        (DatasetFormat.Completion, ["prompt", "completion"], []),
        (DatasetFormat.Text, ["text"], []),
    ];

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    /// <summary>The kind of the file's rows, as far as it is known.</summary>
    public DatasetFormat Format { get; private set; } = format;

    /// <exception cref="RowException">The line is not a usable row of the file's kind.</exception>
    public DatasetRow Parse(ReadOnlyMemory<byte> line)
    {
        CheckUtf8(line.Span);
        try
        {
            using JsonDocument document = JsonDocument.Parse(line, Strict);
            return Row(document.RootElement);
        }
        catch (JsonException e)
        {
            int bytes = (int)Math.Clamp(e.BytePositionInLine ?? 0, 0, line.Length);
            string hint = line.Span[0] == (byte)'[' ? "; a JSON array is not JSONL, write one object on each line" : "";
            throw new RowException("DS011", $"not valid JSON: {Reason(e)}{hint}", Encoding.UTF8.GetCharCount(line.Span[..bytes]) + 1, e);
        }
        catch (InvalidOperationException e)
        {
            // The reader's answer to an escaped half of a surrogate pair.
            throw new RowException("DS010", "a string is not valid Unicode (half of a surrogate pair); remove the escape", null, e);
        }
    }

    private static string Reason(JsonException e)
    {
        int place = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return Echo.Quote(place < 0 ? e.Message : e.Message[..place]);
    }

    private static void CheckUtf8(ReadOnlySpan<byte> line)
    {
        if (System.Text.Unicode.Utf8.IsValid(line))
            return;
        int at = 0, column = 1;
        while (Rune.DecodeFromUtf8(line[at..], out Rune rune, out int used) == System.Buffers.OperationStatus.Done)
        {
            at += used;
            column += rune.Utf16SequenceLength;
        }
        throw new RowException("DS010", $"byte 0x{line[at]:x2} is not valid UTF-8; save the file as UTF-8", column);
    }

    private DatasetRow Row(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new RowException("DS012", $"{RowFields.Named(root)} where an object such as {{\"text\": …}} belongs");
        if (Format == DatasetFormat.Auto)
            Format = Detect(root) ?? throw Unknown(root);
        CheckKeys(root);
        return Format switch
        {
            DatasetFormat.Text => new TextRow(RowFields.Text(root, "text", mayBeEmpty: false)),
            DatasetFormat.Completion => new CompletionRow(
                RowFields.Text(root, "prompt", mayBeEmpty: true), RowFields.Text(root, "completion", mayBeEmpty: false)),
            DatasetFormat.Chat => new ChatRow(RowFields.Messages(root, log)),
            DatasetFormat.Alpaca => new AlpacaRow(
                RowFields.Text(root, "instruction", mayBeEmpty: false), RowFields.OptionalText(root, "input"),
                RowFields.Text(root, "output", mayBeEmpty: false)),
            _ => new TokensRow(
                RowFields.Ids(root, "input_ids"), root.TryGetProperty("labels", out _) ? RowFields.Ids(root, "labels") : null),
        };
    }

    private void CheckKeys(JsonElement root)
    {
        (DatasetFormat _, string[] required, string[] optional) = Array.Find(Kinds, k => k.Format == Format);
        foreach (string key in required)
        {
            if (root.TryGetProperty(key, out _))
                continue;
            if (Detect(root) is DatasetFormat other)
                throw new RowException("DS014", $"a {Name(other)} row in a {Name(Format)} file; keep the kinds in files of their own");
            throw new RowException("DS015", $"the field '{key}' of a {Name(Format)} row is missing");
        }
        foreach (JsonProperty property in root.EnumerateObject())
            if (!required.Contains(property.Name) && !optional.Contains(property.Name))
                log.WarnOnce("DS054", property.Name, $"the field {Echo.Quote(property.Name)} is ignored (here and in later rows)");
    }

    private static DatasetFormat? Detect(JsonElement root)
    {
        foreach ((DatasetFormat kind, string[] required, _) in Kinds)
            if (Array.TrueForAll(required, key => root.TryGetProperty(key, out _)))
                return kind;
        return null;
    }

    private static RowException Unknown(JsonElement root)
    {
        string keys = string.Join(", ", root.EnumerateObject().Take(8).Select(p => Echo.Quote(p.Name)));
        return new RowException("DS013",
            $"a row with {(keys.Length == 0 ? "no fields" : "the fields " + keys)} is of no known kind; use text, prompt and completion, messages, instruction and output, or input_ids");
    }

    private static string Name(DatasetFormat format) => format.ToString().ToLowerInvariant();
}
