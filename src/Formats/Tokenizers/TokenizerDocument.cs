using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Marrow.Formats.Tokenizers;

/// <summary>A tokenizer.json with a BPE model, to be written. The sections are JSON.</summary>
internal sealed record TokenizerDocument
{
    /// <summary>The section that maps bytes to characters and does not split.</summary>
    public const string ByteLevel = """{ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false }""";

    private static readonly JsonWriterOptions Style = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public required IEnumerable<AddedToken> AddedTokens { get; init; }

    public string? Normalizer { get; init; }

    public string? PreTokenizer { get; init; }

    public string? PostProcessor { get; init; }

    public required string Decoder { get; init; }

    public string? UnknownToken { get; init; }

    public bool FuseUnknown { get; init; }

    public bool ByteFallback { get; init; }

    public bool IgnoreMerges { get; init; }

    /// <summary>Tokens and ids, in the order in which they are written.</summary>
    public required IEnumerable<(string Token, int Id)> Vocabulary { get; init; }

    /// <summary>Two tokens without spaces each, the first merged first.</summary>
    public required IEnumerable<(string Left, string Right)> Merges { get; init; }

    /// <summary>A pre-tokenizer section that splits at regular expressions, one after the other, and then maps bytes to characters.</summary>
    public static string Splits(IEnumerable<string> patterns) =>
        $$"""{ "type": "Sequence", "pretokenizers": [{{string.Concat(patterns.Select(p => $$"""{ "type": "Split", "pattern": { "Regex": {{Quote(p)}} }, "behavior": "Isolated", "invert": false }, """))}}{{ByteLevel}}] }""";

    /// <summary>A text as JSON.</summary>
    public static string Quote(string text) => JsonSerializer.Serialize(text);

    /// <summary>Any JSON in the style of these files.</summary>
    public static string Write(Action<Utf8JsonWriter> content)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, Style))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray()) + "\n";
    }

    /// <summary>The text of the file.</summary>
    public string Write() => Write(json =>
    {
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        WriteAddedTokens(json);
        WriteSection(json, "normalizer", Normalizer);
        WriteSection(json, "pre_tokenizer", PreTokenizer);
        WriteSection(json, "post_processor", PostProcessor);
        WriteSection(json, "decoder", Decoder);
        WriteModel(json);
    });

    private static void WriteSection(Utf8JsonWriter json, string name, string? section)
    {
        json.WritePropertyName(name);
        json.WriteRawValue(section ?? "null");
    }

    private void WriteAddedTokens(Utf8JsonWriter json)
    {
        json.WriteStartArray("added_tokens");
        foreach (AddedToken token in AddedTokens)
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("content", token.Content);
            json.WriteBoolean("single_word", token.SingleWord);
            json.WriteBoolean("lstrip", token.LeftStrip);
            json.WriteBoolean("rstrip", token.RightStrip);
            json.WriteBoolean("normalized", token.Normalized);
            json.WriteBoolean("special", token.Special);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private void WriteModel(Utf8JsonWriter json)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteString("unk_token", UnknownToken);
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", FuseUnknown);
        json.WriteBoolean("byte_fallback", ByteFallback);
        json.WriteBoolean("ignore_merges", IgnoreMerges);
        json.WriteStartObject("vocab");
        foreach ((string token, int id) in Vocabulary)
            json.WriteNumber(token, id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach ((string left, string right) in Merges)
            json.WriteStringValue($"{left} {right}");
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
