using Marrow.Formats.ChatTemplates;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.PostProcessors;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>The tokenizer in a GGUF file's metadata (spec/formats.md §7.2 to §7.4, §7.7): byte-level BPE, sentencepiece's BPE and RWKV World.</summary>
public static class GgufTokenizer
{
    /// <summary>Whether a file holds a tokenizer; some have their ids alone.</summary>
    public static bool IsPresent(GgufMetadata values) => values.Text(TokenizerKeys.Model) is not (null or "none" or "no_vocab");

    /// <summary>Reads the tokenizer with its special ids, stop ids and chat template.</summary>
    /// <exception cref="ModelFileException">
    /// GV001 to GV006: the vocabulary is damaged; GV007: a tokenizer model or pre-tokenizer that is not known; GG030, GG031: a value of the wrong type.
    /// </exception>
    public static ModelTokenizer Read(GgufMetadata values)
    {
        ArgumentNullException.ThrowIfNull(values);
        string model = values.Text(TokenizerKeys.Model)
            ?? throw values.Error("GV007", TokenizerKeys.Model, "is missing; the file has no tokenizer, take the one of the model's own folder");
        return model switch
        {
            "gpt2" => GgufByteLevel.Read(values),
            "llama" => GgufSentencePiece.Read(values),
            "rwkv" => GgufWorld.Read(values),
            _ => throw values.Error("GV007", TokenizerKeys.Model, $"is {Echo.Quote(model)}; gpt2, llama and rwkv are supported here"),
        };
    }

    /// <summary>What the three kinds have in common.</summary>
    internal static ModelTokenizer Finish(GgufMetadata values, GgufVocabulary vocabulary, TokenizerParts parts, int? bos, int? eos, int? unknown)
    {
        int? padding = vocabulary.Id(TokenizerKeys.Padding);
        var texts = new Dictionary<string, string>();
        foreach ((string role, int? id) in (ReadOnlySpan<(string, int?)>)[("bos_token", bos), ("eos_token", eos), ("pad_token", padding), ("unk_token", unknown)])
            if (id is { } known)
                texts.Add(role, vocabulary.Tokens.Texts[known]);
        JinjaChatTemplate? template = values.Text(TokenizerKeys.ChatTemplate) is { } source ? new JinjaChatTemplate(source, values.Path, texts) : null;
        return new ModelTokenizer(new HuggingFaceTokenizer(parts, bos, eos), vocabulary.StopIds(eos), padding, unknown, template);
    }

    /// <summary>BOS and EOS around a text, as the file's flags or the defaults of its kind have it.</summary>
    internal static SpecialFrame Frame(GgufMetadata values, int? bos, int? eos, bool usualBos)
    {
        return new SpecialFrame(Around(TokenizerKeys.AddBos, TokenizerKeys.Bos, bos, usualBos), Around(TokenizerKeys.AddEos, TokenizerKeys.Eos, eos, usual: false));

        int[] Around(string flag, string key, int? id, bool usual)
        {
            bool? said = values.Flag(flag);
            if (!(said ?? usual))
                return [];
            return id is { } known ? [known] : said is null ? [] : throw values.Error("GV005", flag, $"is set, but there is no {key}; name the token or set the flag to false");
        }
    }
}
