using Marrow.Formats.Tokenizers.PreTokenizers;
using Marrow.Formats.Tokenizers.Normalizers;

namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>Reads the <c>decoder</c> section of tokenizer.json.</summary>
internal static class DecoderReader
{
    /// <summary>Without a decoder the tokens stand with spaces between them.</summary>
    public static ITokenDecoder SpaceBetween { get; } =
        new EachTokenDecoder(static (chunk, first) => first ? chunk : chunk with { Text = " " + chunk.Text });

    public static ITokenDecoder Read(JsonAt json, int depth = 0)
    {
        string type = json.Text("type");
        switch (type)
        {
            case "ByteLevel":
                return new ByteLevelDecoder();
            case "ByteFallback":
                return new ByteFallbackDecoder();
            case "Fuse":
                return new EachTokenDecoder(static (chunk, first) => chunk with { Continues = !first });
            case "Replace":
                var replace = new ReplaceNormalizer(PatternReader.Read(json.Required("pattern")), json.Text("content"));
                return new EachTokenDecoder((chunk, _) => chunk with { Text = replace.Normalize(chunk.Text) });
            case "Metaspace":
                (char replacement, PrependScheme prepend) = MetaspacePreTokenizer.ReadScheme(json);
                string space = replacement.ToString();
                return new EachTokenDecoder((chunk, first) =>
                    chunk with { Text = chunk.Text.Replace(space, first && prepend != PrependScheme.Never ? "" : " ", StringComparison.Ordinal) });
            case "Strip":
                string content = json.Text("content");
                return content.Length == 1
                    ? new StripDecoder(content[0], json.Count("start", 0), json.Count("stop", 0))
                    : throw json.Unsupported("the Strip content", content);
            case "Sequence":
                return ReadSequence(json, depth);
            default:
                throw json.Unsupported("the decoder", type);
        }
    }

    private static DecoderSequence ReadSequence(JsonAt json, int depth)
    {
        ITokenDecoder[] parts = SequenceReader.Read(json, "decoders", depth, Read);
        bool joined = false;
        foreach (JsonAt part in json.Required("decoders").Items())
        {
            string type = part.Text("type");
            // Text after Fuse comes in arbitrary portions, which only Strip and Fuse can bear.
            if (joined && type is not ("Strip" or "Fuse"))
                throw part.Unsupported("after Fuse or ByteLevel the decoder", type);
            joined |= type is "Fuse" or "ByteLevel";
        }
        return new DecoderSequence(parts);
    }
}
