using System.Text.Json;

namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>Reads the <c>model</c> section of tokenizer.json.</summary>
internal static class BpeReader
{
    public static (Vocabulary Vocabulary, BpeModel Model) Read(JsonAt json)
    {
        // Files of the first years do not say the type of a BPE model.
        string type = json.OptionalText("type") ?? (json.Optional("merges") is null ? json.Text("type") : "BPE");
        if (type != "BPE")
            throw json.Unsupported("the model", type);
        if (json.Optional("dropout") is { } dropout && !(dropout.Kind == JsonValueKind.Number && dropout.Value.GetDouble() == 0))
            throw dropout.Unsupported("dropout", dropout.Value.GetRawText());

        Vocabulary vocabulary = ReadVocabulary(json.Required("vocab"));
        string prefix = json.OptionalText("continuing_subword_prefix") ?? "";
        int? unknown = null;
        if (json.OptionalText("unk_token") is { Length: > 0 } token)
            unknown = vocabulary.IdOf(token) ?? throw json.Error("TK002", $"the unk_token {Echo.Quote(token)} is not in the vocabulary");
        var options = new BpeOptions(
            unknown,
            json.Flag("fuse_unk", false),
            json.Flag("byte_fallback", false),
            json.Flag("ignore_merges", false),
            prefix,
            json.OptionalText("end_of_word_suffix") ?? "");
        return (vocabulary, new BpeModel(vocabulary, ReadMerges(json.Required("merges"), vocabulary, prefix), options));
    }

    private static Vocabulary ReadVocabulary(JsonAt json)
    {
        if (json.Kind != JsonValueKind.Object)
            throw json.Expected("an object");
        var vocabulary = new Vocabulary(json.Value.GetPropertyCount());
        foreach (JsonProperty entry in json.Value.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt64(out long id) || id is < 0 or > Vocabulary.LargestId)
                throw json.Error("TK003", $"the id of {Echo.Quote(entry.Name)} is {Echo.Quote(entry.Value.GetRawText())}, not an integer from 0 to {Vocabulary.LargestId}");
            if (!vocabulary.TryAdd(entry.Name, (int)id))
                throw json.Error("TK003", $"the token {Echo.Quote(entry.Name)} or its id {id} occurs twice");
        }
        return vocabulary;
    }

    /// <summary>The lines of the merge list of a <c>model</c> section.</summary>
    public static IEnumerable<(string Left, string Right)> Merges(JsonAt json)
    {
        if (json.Kind != JsonValueKind.Array)
            throw json.Expected("an array");
        int rank = 0;
        foreach (JsonElement entry in json.Value.EnumerateArray())
            yield return Parts(json, entry, rank++);
    }

    private static MergeTable ReadMerges(JsonAt json, Vocabulary vocabulary, string prefix)
    {
        var merges = new MergeTable(json.Kind == JsonValueKind.Array ? json.Value.GetArrayLength() : 0);
        int rank = 0;
        foreach ((string left, string right) in Merges(json))
        {
            ReadOnlySpan<char> tail = right.AsSpan(right.StartsWith(prefix, StringComparison.Ordinal) ? prefix.Length : 0);
            if (!vocabulary.TryGetId(left, out int leftId) || !vocabulary.TryGetId(right, out int rightId) ||
                !vocabulary.TryGetId(string.Concat(left, tail), out int merged))
            {
                throw json.Error("TK002", $"merge {rank} joins {Echo.Quote(left)} and {Echo.Quote(right)}, and one of them or their sum is not in the vocabulary");
            }
            merges.Set(leftId, rightId, rank++, merged);
        }
        return merges;
    }

    private static (string Left, string Right) Parts(JsonAt json, JsonElement entry, int rank)
    {
        if (entry.ValueKind == JsonValueKind.String)
        {
            string text = entry.GetString()!;
            int space = text.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0 && space < text.Length - 1 && text.IndexOf(' ', space + 1) < 0)
                return (text[..space], text[(space + 1)..]);
            throw json.Error("TK001", $"merge {rank} is {Echo.Quote(text)}; two tokens with one space between them are expected");
        }
        if (entry.ValueKind == JsonValueKind.Array && entry.GetArrayLength() == 2 &&
            entry[0].ValueKind == JsonValueKind.String && entry[1].ValueKind == JsonValueKind.String)
        {
            return (entry[0].GetString()!, entry[1].GetString()!);
        }
        throw json.Error("TK001", $"merge {rank} is {Echo.Quote(entry.GetRawText())}; two tokens are expected");
    }
}
