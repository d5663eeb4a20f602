namespace Marrow.Formats.Tokenizers.PostProcessors;

/// <summary>Reads the <c>post_processor</c> section of tokenizer.json, as far as it concerns single texts.</summary>
internal static class PostProcessorReader
{
    public static SpecialFrame Read(JsonAt json, int depth = 0)
    {
        string type = json.Text("type");
        return type switch
        {
            // Only moves offsets, which are not kept here.
            "ByteLevel" => SpecialFrame.None,
            "BertProcessing" or "RobertaProcessing" => new SpecialFrame([PairId(json.Required("cls"))], [PairId(json.Required("sep"))]),
            "TemplateProcessing" => ReadTemplate(json),
            "Sequence" => SequenceReader.Read(json, "processors", depth, Read).Aggregate(SpecialFrame.None, (inner, outer) => outer.Around(inner)),
            _ => throw json.Unsupported("the post-processor", type),
        };
    }

    private static SpecialFrame ReadTemplate(JsonAt json)
    {
        JsonAt tokens = json.Required("special_tokens");
        var before = new List<int>();
        var after = new List<int>();
        List<int>? current = before;
        foreach (JsonAt piece in json.Required("single").Items())
        {
            if (piece.Optional("Sequence") is not null)
            {
                if (current == after)
                    throw piece.Error("TK009", "the template for a single text names the text twice");
                current = after;
                continue;
            }
            string name = piece.Required("SpecialToken").Text("id");
            foreach (JsonAt id in tokens.Required(name).Required("ids").Items())
                current.Add(id.Id());
        }
        return current == after ? new SpecialFrame([.. before], [.. after]) : throw json.Error("TK009", "the template for a single text does not name the text");
    }

    private static int PairId(JsonAt pair) =>
        pair.Items().ElementAtOrDefault(1) is { Kind: not System.Text.Json.JsonValueKind.Undefined } id ? id.Id() : throw pair.Expected("[token, id]");
}
