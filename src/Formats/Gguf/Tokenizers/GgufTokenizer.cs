using Marrow.Formats.ChatTemplates;
using Marrow.Formats.HuggingFace;
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

    /// <summary>
    /// Puts a folder's tokenizer into the metadata: tokenizer.json (byte-level BPE as "gpt2", sentencepiece-like BPE as "llama"), tokenizer.model, or a World
    /// vocabulary. The vocabulary gets one entry for each row of the model's embeddings. What cannot be carried is refused.
    /// </summary>
    /// <param name="files">The folder's files.</param>
    /// <param name="vocabularySize">The rows of the embeddings.</param>
    /// <param name="values">Gets the keys tokenizer.*; general.name, where it is there, is read.</param>
    /// <param name="pre">The value of tokenizer.ggml.pre, where the pre-tokenizer of tokenizer.json is not one that is recognised.</param>
    /// <returns>Differences that a user should know of, one sentence each.</returns>
    /// <exception cref="MarrowException">
    /// TK016 the pre-tokenizer has no name in GGUF; TK017 something else cannot be carried; TK018 more tokens than rows; and the errors of <see cref="ModelTokenizer.Load"/>.
    /// </exception>
    public static IReadOnlyList<string> Write(TokenizerFiles files, int vocabularySize, GgufMetadata values, string? pre = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(values);
        return new GgufTokenizerWriter(files, vocabularySize, values).Write(pre);
    }

    /// <summary>
    /// Writes the tokenizer as files of a Hugging Face folder: tokenizer.json and tokenizer_config.json; of a sentencepiece vocabulary tokenizer.model too (and
    /// no tokenizer.json where a merge list cannot say what the scores say); of World the vocabulary's text file. Where generation has several ends,
    /// generation_config.json names them. Rows that only fill the vocabulary up are left out.
    /// </summary>
    /// <returns>The paths of the files.</returns>
    /// <exception cref="MarrowException">As <see cref="Read"/>; TK017 the tokenizer cannot be said in these files; IO008, IO009 a file cannot be written.</exception>
    public static IReadOnlyList<string> WriteFiles(GgufMetadata values, string folder)
    {
        ArgumentNullException.ThrowIfNull(values);
        return new GgufTokenizerFiles(values, folder).Write();
    }

    /// <summary>What is missing in the metadata though readers can do without it, one sentence each.</summary>
    internal static IReadOnlyList<string> Warnings(GgufMetadata values) => values.Text(TokenizerKeys.Model) == "gpt2" && !values.Has(TokenizerKeys.Pre)
        ? [$"{values.Path}: {TokenizerKeys.Pre} is missing, so texts are cut in the way called 'default', which is seldom the model's own; take a newer file, or the tokenizer of the model's Hugging Face folder"] : [];

    /// <summary>What the three kinds have in common.</summary>
    internal static ModelTokenizer Finish(GgufMetadata values, GgufVocabulary vocabulary, TokenizerParts parts, int? bos, int? eos, int? unknown)
    {
        int? padding = vocabulary.Id(TokenizerKeys.Padding);
        var texts = new Dictionary<string, string>();
        foreach ((string role, int? id) in (ReadOnlySpan<(string, int?)>)[("bos_token", bos), ("eos_token", eos), ("pad_token", padding), ("unk_token", unknown)])
            if (id is { } known)
                texts.Add(role, vocabulary.Tokens.Texts[known]);
        JinjaChatTemplate? template = values.Text(TokenizerKeys.ChatTemplate) is { } source ? new JinjaChatTemplate(source, values.Path, texts) : null;
        return new ModelTokenizer(new HuggingFaceTokenizer(parts, bos, eos), vocabulary.StopIds(eos), padding, unknown, template) { Warnings = Warnings(values) };
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
