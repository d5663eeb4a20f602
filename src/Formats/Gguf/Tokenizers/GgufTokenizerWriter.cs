using System.Text;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.PreTokenizers;
using Marrow.Formats.Tokenizers.SentencePiece;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>A folder's tokenizer as GGUF metadata (spec/formats.md §5.3, §7.6, §7.7).</summary>
internal sealed class GgufTokenizerWriter(TokenizerFiles files, int rows, GgufMetadata values)
{
    private readonly List<string> _notes = [];

    /// <summary>Sets the keys; returns what is to be told.</summary>
    public List<string> Write(string? pre)
    {
        if (files.Tokenizer is { } json)
        {
            (TokenizerParts parts, TokenizerStructure structure) = JsonAt.ReadFile(json, root => (TokenizerJson.Read(root), TokenizerStructure.Read(root)));
            FolderTokenizer folder = FolderTokenizer.Of(files, json, parts);
            if (structure.Affixes)
                throw Refuse(json, "its BPE model writes tokens at the ends of words otherwise (continuing_subword_prefix, end_of_word_suffix)");
            if (structure.IsByteLevel)
                WriteByteLevel(folder, structure, pre);
            else if (structure.ByteFallback)
                WriteSentencePiece(folder, structure);
            else
                throw Refuse(json, "it is neither a byte-level BPE nor one with byte fallback");
        }
        else if (files.SentencePiece is { } model)
        {
            TokenizerConfig config = TokenizerConfig.Read(files);
            SentencePieceFolder pieces = SentencePieceFolder.Read(files, model, config);
            FolderTokenizer folder = FolderTokenizer.Of(model, pieces, config);
            RefuseFlags(folder);
            PutSentencePiece(folder, pieces.File.SpaceInFront, (id, _) => pieces.Tokens.Types[id], id => pieces.Tokens.Scores[id]);
            if (pieces.File.CollapseSpaces)
                values.Set(TokenizerKeys.CollapseSpaces, true);
            if (pieces.File.CharsmapBytes.Length > 0)
                values.Set(TokenizerKeys.Charsmap, new GgufValue(GgufType.U8, Array.ConvertAll(pieces.File.CharsmapBytes, b => (long)b)));
        }
        else if (files.World is { } world)
        {
            GgufWorldWriter.Write(files, world, rows, values);
        }
        else
        {
            throw new MarrowException("TK013", "There is no tokenizer.json, tokenizer.model or rwkv_vocab….txt to write into the GGUF file; put the tokenizer's files into the model's folder. [TK013]");
        }
        return _notes;
    }

    private void WriteByteLevel(FolderTokenizer folder, TokenizerStructure structure, string? pre)
    {
        PreTokenizerRow row = pre is null ? RowOf(folder, structure) : PreTokenizerTable.Find(pre)
            ?? throw new MarrowException("TK016", $"--pre {Echo.Quote(pre)} is not known; known are {PreTokenizerTable.Names}. [TK016]");
        RefuseFlags(folder);
        (string left, string right) = structure.Merges.FirstOrDefault(m => m.Left.Contains(' ', StringComparison.Ordinal) || m.Right.Contains(' ', StringComparison.Ordinal));
        if (left is not null)
            throw Refuse(folder.Path, $"it merges {Echo.Quote(left)} and {Echo.Quote(right)}, and a merge in GGUF has no spaces in its parts");
        Dictionary<int, AddedToken> added = Added(folder);
        TokenTable tokens = TokenRows.Of(folder.Path, folder.Parts.Vocabulary, rows, (id, _) => TypeOf(added, id), _ => 0);
        TokenRows.Put(values, "gpt2", pre ?? row.Names[0], tokens, withScores: false);
        values.Set(TokenizerKeys.Merges, new GgufValue(GgufType.String, structure.Merges.Select(m => Encoding.UTF8.GetBytes($"{m.Left} {m.Right}")).ToArray()));
        TokenRows.PutRoles(values, folder, tokens, _notes);
    }

    private static PreTokenizerRow RowOf(FolderTokenizer folder, TokenizerStructure structure)
    {
        bool nfc = structure.Normalizers is [TokenizerStructure.Nfc];
        PreTokenizerRow? row = Find(structure.IgnoreMerges);
        // Whether tokens are taken whole first makes no difference where merging gives every one of them.
        if (row is null && !structure.IgnoreMerges && Find(true) is { } taking && MergesGiveEveryToken(folder))
            row = taking;
        return row ?? throw new ModelFileException("TK016", folder.Path,
            $"how it normalises and cuts a text has no name in GGUF: {Shown([.. structure.Normalizers, .. structure.PreTokenizers])}{(structure.IgnoreMerges ? " with ignore_merges" : "")}. " +
            $"Where you know which pre-tokenizer of {PreTokenizerTable.Names} comes nearest, name it with --pre; otherwise keep the Hugging Face form");

        PreTokenizerRow? Find(bool ignoreMerges) => (nfc || structure.Normalizers.Count == 0) && structure.PreTokenizers[^1] == TokenizerStructure.Bytes
            ? PreTokenizerTable.Find(structure.PreTokenizers[..^1], ignoreMerges, nfc) : null;
    }

    /// <summary>Whether the model, which does not take tokens whole, makes of each token's text that token; an added token must not be a piece of a text.</summary>
    private static bool MergesGiveEveryToken(FolderTokenizer folder)
    {
        Dictionary<int, AddedToken> added = Added(folder);
        var ids = new List<int>();
        try
        {
            for (int id = 0; id < folder.Parts.Vocabulary.Size; id++)
            {
                if (added.ContainsKey(id) || !folder.Parts.Vocabulary.TryGetToken(id, out string? text))
                    continue;
                ids.Clear();
                folder.Parts.Model.Encode(text, ids);
                if (ids is not [var only] || only != id)
                    return false;
            }
        }
        catch (MarrowException)
        {
            // A token with a character that no token stands for.
            return false;
        }
        return added.Values.All(token =>
        {
            var pieces = new PieceList(token.Content, atStart: true);
            folder.Parts.PreTokenizer?.Apply(pieces);
            return pieces.Pieces.Count != 1 || pieces.Text != token.Content;
        });
    }

    private void WriteSentencePiece(FolderTokenizer folder, TokenizerStructure structure)
    {
        bool space;
        switch (structure.Normalizers, structure.PreTokenizers)
        {
            case ([TokenizerStructure.SpaceInFront, TokenizerStructure.VisibleSpaces] or [TokenizerStructure.VisibleSpaces], [] or [TokenizerStructure.SplitAtSpaces]):
                space = structure.Normalizers.Count == 2;
                break;
            case ([], [TokenizerStructure.Metaspace + nameof(PrependScheme.Never)]):
                space = false;
                break;
            case ([], [TokenizerStructure.Metaspace + nameof(PrependScheme.Always)]):
                space = true;
                _notes.Add("the tokenizer puts no space in front of a text that begins with one; readers of GGUF put one there too");
                break;
            case ([], [TokenizerStructure.Metaspace + nameof(PrependScheme.First)]):
                space = true;
                _notes.Add("the tokenizer puts a space in front of the whole text only, and not where it begins with one; readers of GGUF put one there too, and behind every special token");
                break;
            default:
                throw Refuse(folder.Path, $"GGUF has no sentencepiece vocabulary that normalises and cuts a text by {Shown([.. structure.Normalizers, .. structure.PreTokenizers])}");
        }
        if (structure.IgnoreMerges)
            throw Refuse(folder.Path, "its BPE model sets ignore_merges, and sentencepiece vocabularies always merge");
        RefuseFlags(folder);
        Vocabulary vocabulary = folder.Parts.Vocabulary;
        for (int value = 0; value < 256; value++)
            if (vocabulary.IdOf(TokenTable.ByteText(value)) is null)
                throw Refuse(folder.Path, $"it falls back to bytes, but has no token {TokenTable.ByteText(value)}");

        for (int id = 0; id < vocabulary.Size; id++)
            if (vocabulary.TryGetToken(id, out string? token) && token.Length > GgufVocabulary.LongestToken)
                throw Refuse(folder.Path, $"token {id} has {token.Length} characters, and at most {GgufVocabulary.LongestToken} are allowed");

        Dictionary<int, AddedToken> added = Added(folder);
        int? unknown = structure.Unknown is { } text ? vocabulary.IdOf(text) : null;
        Func<int, float> score = MergeScores.Of(vocabulary, structure.Merges, added.ContainsKey, _notes);
        if (files.SentencePiece is { } model)
            score = ScoresOf(model, vocabulary) ?? score;
        PutSentencePiece(folder, space, (id, token) => id == unknown ? TokenType.Unknown : added.ContainsKey(id) ? TypeOf(added, id)
            : TokenTable.ByteOf(token) is not null ? TokenType.Byte : TokenType.Normal, score);
    }

    private void PutSentencePiece(FolderTokenizer folder, bool space, Func<int, string, TokenType> type, Func<int, float> score)
    {
        Dictionary<int, AddedToken> added = Added(folder);
        TokenTable tokens = TokenRows.Of(folder.Path, folder.Parts.Vocabulary, rows,
            (id, text) => type(id, text) is var own && own != TokenType.Unknown && added.TryGetValue(id, out AddedToken? token) && token.Special ? TokenType.Control : own, score);
        TokenRows.Put(values, "llama", "default", tokens, withScores: true);
        values.Set(TokenizerKeys.AddSpace, space);
        TokenRows.PutRoles(values, folder, tokens, _notes);
    }

    /// <summary>The scores of tokenizer.model where its pieces are the tokens; null where they are not.</summary>
    private Func<int, float>? ScoresOf(string path, Vocabulary vocabulary)
    {
        TokenTable pieces = SentencePieceFile.Read(path).Tokens;
        for (int id = 0; id < pieces.Count; id++)
        {
            if (pieces.Types[id] == TokenType.Normal && (!vocabulary.TryGetToken(id, out string? text) || text != pieces.Texts[id]))
            {
                _notes.Add($"tokenizer.model has other tokens than tokenizer.json (first at id {id}), so that scores are those of the merges");
                return null;
            }
        }
        return id => id < pieces.Count ? pieces.Scores[id] : -1000;
    }

    private void RefuseFlags(FolderTokenizer folder)
    {
        foreach (AddedToken token in folder.Parts.AddedTokens)
        {
            bool phi3 = GgufSentencePiece.IsPhi3(values);
            if (token.SingleWord || token.LeftStrip || (token.RightStrip && !phi3))
            {
                throw Refuse(folder.Path, $"the added token {Echo.Quote(token.Content)} is {(token.SingleWord ? "single_word" : token.LeftStrip ? "lstrip" : "rstrip")}, " +
                    "which GGUF has no place for; set it to false if the texts do not need it");
            }
            if (token.Normalized && token.Content.Any(c => c > 0x7F))
                _notes.Add($"the added token {Echo.Quote(token.Content)} is looked for in normalised text; readers of GGUF look for it in the text as it is");
        }
    }

    // The last of two entries for one token is the one with its role.
    private static Dictionary<int, AddedToken> Added(FolderTokenizer folder)
    {
        var added = new Dictionary<int, AddedToken>();
        foreach (AddedToken token in folder.Parts.AddedTokens)
            added[token.Id] = token;
        return added;
    }

    private static TokenType TypeOf(Dictionary<int, AddedToken> added, int id) =>
        !added.TryGetValue(id, out AddedToken? token) ? TokenType.Normal : token.Special ? TokenType.Control : TokenType.UserDefined;

    private static string Shown(IEnumerable<string> steps) => Echo.Name(string.Join(" ; ", steps) is { Length: > 0 } text ? text : "nothing at all", 400);

    private static ModelFileException Refuse(string path, string what) =>
        new("TK017", path, $"this tokenizer cannot be carried by GGUF: {what}. Keep the Hugging Face form");
}
