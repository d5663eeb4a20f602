using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers.PostProcessors;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>tokenizer.model with the tokens that other files of its folder add (spec/formats.md §5.3, import rules).</summary>
/// <param name="File">The model file.</param>
/// <param name="Tokens">Its pieces and the added tokens by id; ids between them are unused.</param>
/// <param name="Added">The tokens that are cut out of a text first.</param>
internal sealed record SentencePieceFolder(SentencePieceFile File, TokenTable Tokens, IReadOnlyList<AddedToken> Added)
{
    private const float AddedScore = -1000, UnusedScore = -10000;

    // Rows that models leave unused between their pieces and the tokens that were added.
    private const int LargestGap = 1 << 16;

    /// <exception cref="ModelFileException">As <see cref="SentencePieceFile.Read"/>; TK003 an added token's text is another's, or its id far behind the others; TK008, TK009 broken JSON.</exception>
    public static SentencePieceFolder Read(TokenizerFiles files, string path, TokenizerConfig config)
    {
        SentencePieceFile file = SentencePieceFile.Read(path);
        var added = new Dictionary<int, AddedToken>();
        if (files.AddedTokens is { } list)
        {
            _ = JsonAt.ReadFile(list, root =>
            {
                foreach ((string text, JsonAt id) in root.Members())
                    added[id.Id()] = new AddedToken(id.Id(), text, Special: false);
                return true;
            });
        }
        foreach (AddedToken token in config.AddedTokens)
            added[token.Id] = token;

        AddedToken? last = added.Values.MaxBy(t => t.Id);
        if (last is not null && last.Id >= file.Tokens.Count + added.Count + LargestGap)
        {
            throw new ModelFileException("TK003", path, $"the added token {Echo.Quote(last.Content)} has the id {last.Id}, far behind the {file.Tokens.Count} pieces and {added.Count} added tokens; "
                + "the files do not belong together, or one is damaged");
        }
        int count = Math.Max(file.Tokens.Count, last is null ? 0 : last.Id + 1);
        var texts = new string[count];
        var types = new TokenType[count];
        var scores = new float[count];
        for (int id = 0; id < count; id++)
        {
            bool piece = id < file.Tokens.Count;
            texts[id] = piece ? file.Tokens.Texts[id] : TokenTable.PaddingText(id);
            types[id] = piece ? file.Tokens.Types[id] : TokenType.Unused;
            scores[id] = piece ? file.Tokens.Scores[id] : UnusedScore;
            if (piece && types[id] == TokenType.UserDefined)
                texts[id] = texts[id].Replace(SentencePieceOptions.Space, ' ');
        }
        foreach (AddedToken token in added.Values)
        {
            (texts[token.Id], scores[token.Id]) = (token.Content, AddedScore);
            if (types[token.Id] != TokenType.Unknown)
                types[token.Id] = token.Special ? TokenType.Control : TokenType.UserDefined;
        }
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < count; id++)
            if (!seen.TryAdd(texts[id], id))
                throw new ModelFileException("TK003", path, $"the tokens {seen[texts[id]]} and {id} are both {Echo.Quote(texts[id])}, with those that the other files add; the files do not belong together");

        var tokens = new TokenTable(texts, types, scores);
        return new SentencePieceFolder(file, tokens, [.. tokens.AddedTokens().Select(t => added.GetValueOrDefault(t.Id) is { } known
            ? t with { SingleWord = known.SingleWord, LeftStrip = known.LeftStrip, RightStrip = known.RightStrip } : t)]);
    }

    /// <summary>The parts of the tokenizer; its frame and its special tokens are the configuration's.</summary>
    public TokenizerParts Parts(string path) => SentencePieceParts.Build(
        Tokens,
        Added,
        new SentencePieceOptions(File.SpaceInFront, File.CollapseSpaces, File.Charsmap, File.UnknownId, new SpecialFrame(File.BosId is { } bos ? [bos] : [], [])),
        what => new ModelFileException("SP006", path, $"{what}; this is no sentencepiece model, or it is damaged, fetch it again"));
}
