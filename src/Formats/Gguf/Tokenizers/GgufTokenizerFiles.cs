using System.Globalization;
using System.Text.Json;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.PostProcessors;
using Marrow.Formats.Tokenizers.SentencePiece;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>Writes the tokenizer of GGUF metadata as the files of a Hugging Face folder.</summary>
internal sealed class GgufTokenizerFiles(GgufMetadata values, string folder)
{
    private const string Replace = """{ "type": "Replace", "pattern": { "String": " " }, "content": "▁" }""";

    private const string Decode = """{ "type": "Replace", "pattern": { "String": "▁" }, "content": " " }, { "type": "ByteFallback" }, { "type": "Fuse" }""";

    private readonly List<string> _written = [];

    /// <summary>Writes the files and returns their paths.</summary>
    public List<string> Write()
    {
        // Reading makes all the checks.
        ModelTokenizer model = GgufTokenizer.Read(values);
        switch (values.Text(TokenizerKeys.Model))
        {
            case "gpt2":
                WriteByteLevel(model);
                break;
            case "llama":
                WriteSentencePiece(model);
                break;
            default:
                WriteWorld(model);
                break;
        }
        if (model.StopIds.Count > 1)
            Put("generation_config.json", TokenizerDocument.Write(json =>
            {
                json.WriteStartArray("eos_token_id");
                foreach (int id in model.StopIds)
                    json.WriteNumberValue(id);
                json.WriteEndArray();
            }));
        return _written;
    }

    private void WriteByteLevel(ModelTokenizer model)
    {
        PreTokenizerRow row = GgufByteLevel.Row(values);
        TokenTable tokens = Texts(GgufVocabulary.Read(values));
        int count = tokens.CountWithoutPadding;
        SpecialFrame frame = GgufTokenizer.Frame(values, model.BosId, model.EosId, row.AddBos);
        Put("tokenizer.json", new TokenizerDocument
        {
            AddedTokens = tokens.AddedTokens().Where(t => t.Id < count),
            Normalizer = row.Nfc ? """{ "type": "NFC" }""" : null,
            PreTokenizer = TokenizerDocument.Splits(row.Patterns),
            PostProcessor = PostProcessor(frame, tokens),
            Decoder = TokenizerDocument.ByteLevel,
            UnknownToken = model.UnkId is { } unknown ? tokens.Texts[unknown] : null,
            IgnoreMerges = row.IgnoreMerges,
            Vocabulary = Vocabulary(tokens, count),
            Merges = GgufByteLevel.Merges(values).Distinct(),
        }.Write());
        WriteConfig("PreTrainedTokenizerFast", model, tokens, frame);
    }

    private void WriteSentencePiece(ModelTokenizer model)
    {
        GgufVocabulary vocabulary = GgufSentencePiece.ReadVocabulary(values);
        SentencePieceOptions options = GgufSentencePiece.Options(values, vocabulary, out _, out _);
        TokenTable tokens = Texts(vocabulary);
        int count = tokens.CountWithoutPadding;
        if (options.UnknownId is { } unknown)
            PutModel(tokens, count, options, unknown, model);
        List<(string, string)>? merges = options.Charsmap is null && !options.CollapseSpaces ? MergeScores.ToMerges(tokens, tokens.ToVocabulary()) : null;
        if (merges is not null)
        {
            Put("tokenizer.json", new TokenizerDocument
            {
                AddedTokens = GgufSentencePiece.Added(values, tokens).Where(t => t.Id < count),
                Normalizer = $$"""{ "type": "Sequence", "normalizers": [{{(options.SpaceInFront ? """{ "type": "Prepend", "prepend": "▁" }, """ : "")}}{{Replace}}] }""",
                PostProcessor = PostProcessor(options.Frame, tokens),
                Decoder = $$"""{ "type": "Sequence", "decoders": [{{Decode}}{{(options.SpaceInFront ? """, { "type": "Strip", "content": " ", "start": 1, "stop": 0 }""" : "")}}] }""",
                UnknownToken = options.UnknownId is { } id ? tokens.Texts[id] : null,
                FuseUnknown = true,
                ByteFallback = tokens.Types.Contains(TokenType.Byte),
                Vocabulary = Vocabulary(tokens, count),
                Merges = merges,
            }.Write());
        }
        else if (options.UnknownId is null)
        {
            throw values.Error("TK017", TokenizerKeys.Scores, "orders merges as neither a merge list nor, without an unknown token, a sentencepiece file can say; keep the GGUF form");
        }
        WriteConfig("LlamaTokenizer", model, tokens, options.Frame);
    }

    private void PutModel(TokenTable tokens, int count, SentencePieceOptions options, int unknown, ModelTokenizer model)
    {
        var types = new TokenType[count];
        for (int id = 0; id < count; id++)
        {
            TokenType type = tokens.Types[id];
            types[id] = id == unknown ? TokenType.Unknown : type == TokenType.Unknown ? TokenType.Control : type;
        }
        byte[] charsmap = values.Integers(TokenizerKeys.Charsmap) is { } units ? Array.ConvertAll(units, u => unchecked((byte)u)) : [];
        byte[] bytes = SentencePieceWriter.Write(new TokenTable(tokens.Texts[..count], types, tokens.Scores[..count]), options.SpaceInFront, options.CollapseSpaces, charsmap,
            (unknown, model.BosId ?? -1, model.EosId ?? -1, model.PadId ?? -1));
        string path = Path.Combine(folder, "tokenizer.model");
        AtomicFile.WriteBytes(path, bytes);
        _written.Add(path);
    }

    private void WriteWorld(ModelTokenizer model)
    {
        WorldVocabulary world = GgufWorld.Tokens(values, GgufVocabulary.Read(values));
        var text = new System.Text.StringBuilder();
        for (int id = 0; id < world.Size; id++)
            if (!world[id].IsEmpty)
                text.Append(CultureInfo.InvariantCulture, $"{id} {PythonLiteral.Write(world[id])} {world[id].Length}\n");
        Put("rwkv_vocab_v20230424.txt", text.ToString());
        string end = ((WorldTokenizer)model.Tokenizer).EndText;
        string? template = values.Text(TokenizerKeys.ChatTemplate) is { } source and not GgufWorld.ChatForm ? source : null;
        if (template is not null || end is not (WorldTokenizer.UsualEndText or GgufWorldWriter.UsualEndText))
            Put("tokenizer_config.json", TokenizerDocument.Write(json =>
            {
                json.WriteString("bos_token", end);
                json.WriteString("eos_token", end);
                WriteTemplates(json, template);
            }));
    }

    private void WriteConfig(string kind, ModelTokenizer model, TokenTable tokens, SpecialFrame frame) => Put("tokenizer_config.json", TokenizerDocument.Write(json =>
    {
        json.WriteString("tokenizer_class", kind);
        json.WriteBoolean("add_bos_token", frame.Before.Length > 0);
        json.WriteBoolean("add_eos_token", frame.After.Length > 0);
        json.WriteBoolean("clean_up_tokenization_spaces", false);
        foreach ((string role, int? id) in (ReadOnlySpan<(string, int?)>)[("bos_token", model.BosId), ("eos_token", model.EosId), ("pad_token", model.PadId), ("unk_token", model.UnkId)])
            if (id is { } known)
                json.WriteString(role, tokens.Texts[known]);
            else
                json.WriteNull(role);
        if (kind == "LlamaTokenizer")
            WriteAdded(json, GgufSentencePiece.Added(values, tokens).Where(t => t.Id < tokens.CountWithoutPadding));
        WriteTemplates(json, values.Text(TokenizerKeys.ChatTemplate));
    }));

    // What tokenizer.model does not say of its pieces: white space that they absorb.
    private static void WriteAdded(Utf8JsonWriter json, IEnumerable<AddedToken> added)
    {
        json.WriteStartObject("added_tokens_decoder");
        foreach (AddedToken token in added)
        {
            json.WriteStartObject(token.Id.ToString(CultureInfo.InvariantCulture));
            json.WriteString("content", token.Content);
            json.WriteBoolean("lstrip", token.LeftStrip);
            json.WriteBoolean("normalized", token.Normalized);
            json.WriteBoolean("rstrip", token.RightStrip);
            json.WriteBoolean("single_word", token.SingleWord);
            json.WriteBoolean("special", token.Special);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private void WriteTemplates(Utf8JsonWriter json, string? template)
    {
        string[] names = [.. (values.Strings(TokenizerKeys.ChatTemplateNames) ?? []).Select(System.Text.Encoding.UTF8.GetString)];
        (string Name, string? Source)[] named = [("default", template), .. names.Select(n => (n, values.Text($"{TokenizerKeys.ChatTemplate}.{n}")))];
        if (names.Length == 0)
        {
            if (template is not null)
                json.WriteString("chat_template", template);
            return;
        }
        json.WriteStartArray("chat_template");
        foreach ((string name, string? source) in named)
        {
            if (source is null)
                continue;
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteString("template", source);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>The tokens, which must be texts: these files are JSON.</summary>
    private TokenTable Texts(GgufVocabulary vocabulary)
    {
        int broken = Array.FindIndex(vocabulary.Tokens.Texts, t => t.Any(char.IsLowSurrogate) && HuggingFaceTokenizer.WellFormed(t) != t);
        return broken < 0 ? vocabulary.Tokens
            : throw values.Error("TK017", TokenizerKeys.Tokens, $"has a token, {broken}, that is not UTF-8, which JSON cannot hold; keep the GGUF form");
    }

    private static IEnumerable<(string, int)> Vocabulary(TokenTable tokens, int count) => Enumerable.Range(0, count).Select(id => (tokens.Texts[id], id));

    private static string PostProcessor(SpecialFrame frame, TokenTable tokens)
    {
        string Pieces(string text) => string.Join(", ",
            [.. frame.Before.Select(Special), $$"""{ "Sequence": { "id": "{{text}}", "type_id": 0 } }""", .. frame.After.Select(Special)]);
        string Special(int id) => $$"""{ "SpecialToken": { "id": {{TokenizerDocument.Quote(tokens.Texts[id])}}, "type_id": 0 } }""";
        string ids = string.Join(", ", frame.Before.Concat(frame.After).Distinct().Select(id => string.Create(CultureInfo.InvariantCulture,
            $$"""{{TokenizerDocument.Quote(tokens.Texts[id])}}: { "id": {{TokenizerDocument.Quote(tokens.Texts[id])}}, "ids": [{{id}}], "tokens": [{{TokenizerDocument.Quote(tokens.Texts[id])}}] }""")));
        return $$"""{ "type": "TemplateProcessing", "single": [{{Pieces("A")}}], "pair": [{{Pieces("A")}}, {{Pieces("B")}}], "special_tokens": { {{ids}} } }""";
    }

    private void Put(string name, string text)
    {
        string path = Path.Combine(folder, name);
        AtomicFile.WriteText(path, text);
        _written.Add(path);
    }
}
