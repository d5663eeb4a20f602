using System.Text;
using Marrow.Formats.Tokenizers.Bpe;
using Marrow.Formats.Tokenizers.Decoders;
using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PostProcessors;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers;

/// <summary>Reads tokenizer.json of the Hugging Face tokenizers library (spec/formats.md §7.6) with a BPE model.</summary>
public static class TokenizerJson
{
    /// <summary>The tokenizer in the file; it knows no BOS or EOS, which stand in other files (<see cref="ModelTokenizer"/>).</summary>
    /// <exception cref="MarrowException">TK001 to TK011, IO001 to IO006: the file cannot be read, is damaged or uses what is not supported.</exception>
    public static HuggingFaceTokenizer Load(string path) => new(JsonAt.ReadFile(path, Read));

    /// <summary>The same from text; <paramref name="name"/> stands for the file in messages.</summary>
    /// <exception cref="MarrowException">As <see cref="Load"/>.</exception>
    public static HuggingFaceTokenizer Parse(string json, string name = "tokenizer.json") =>
        new(JsonAt.ReadBytes(name, Encoding.UTF8.GetBytes(json), Read));

    internal static TokenizerParts Read(JsonAt root)
    {
        JsonAt model = root.Required("model");
        (Vocabulary vocabulary, BpeModel bpe) = BpeReader.Read(model);
        var added = new List<AddedToken>();
        foreach (JsonAt json in root.Optional("added_tokens")?.Items() ?? [])
            added.Add(Include(json, AddedToken.Read(json), vocabulary));

        return new TokenizerParts(
            vocabulary,
            added,
            root.Optional("normalizer") is { } normalizer ? NormalizerReader.Read(normalizer) : null,
            root.Optional("pre_tokenizer") is { } preTokenizer ? PreTokenizerReader.Read(preTokenizer) : null,
            bpe,
            root.Optional("post_processor") is { } postProcessor ? PostProcessorReader.Read(postProcessor) : SpecialFrame.None,
            root.Optional("decoder") is { } decoder ? DecoderReader.Read(decoder) : DecoderReader.SpaceBetween);
    }

    private static AddedToken Include(JsonAt json, AddedToken token, Vocabulary vocabulary)
    {
        if (vocabulary.IdOf(token.Content) is { } known)
            return known == token.Id ? token : throw json.Error("TK003", $"the added token {Echo.Quote(token.Content)} has id {token.Id}, but {known} in the vocabulary");
        return vocabulary.TryAdd(token.Content, token.Id)
            ? token
            : throw json.Error("TK003", $"the added token {Echo.Quote(token.Content)} has id {token.Id}, which is already another token's");
    }
}
