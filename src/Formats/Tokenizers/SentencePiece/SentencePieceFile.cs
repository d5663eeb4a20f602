using System.Text;
using System.Text.Unicode;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>A sentencepiece model file, tokenizer.model, of the kind BPE (spec/formats.md §5.3).</summary>
internal sealed class SentencePieceFile
{
    private const int Bpe = 2;
    private const int LongestPiece = 1024;

    private static readonly string[] Kinds = ["0", "unigram", "BPE", "word", "char"];

    private readonly List<string> _texts = [];
    private readonly List<TokenType> _types = [];
    private readonly List<float> _scores = [];
    private readonly string _path;
    private int _kind = 1;
    private int _unknown, _bos = 1, _eos = 2, _pad = -1;
    private bool _suffix, _bytes, _escape = true;

    private SentencePieceFile(string path) => _path = path;

    /// <summary>The pieces.</summary>
    public TokenTable Tokens { get; private set; } = new([], [], []);

    public int? UnknownId => IdOf(_unknown);

    public int? BosId => IdOf(_bos);

    public int? EosId => IdOf(_eos);

    public int? PadId => IdOf(_pad);

    /// <summary>A space stands in front of a text.</summary>
    public bool SpaceInFront { get; private set; } = true;

    /// <summary>Spaces at the ends and doubled ones are dropped.</summary>
    public bool CollapseSpaces { get; private set; } = true;

    /// <summary>The precompiled_charsmap as it stands in the file; empty where there is none.</summary>
    public byte[] CharsmapBytes { get; private set; } = [];

    /// <summary>What the charsmap says; null where there is none.</summary>
    public Charsmap? Charsmap { get; private set; }

    /// <summary>Reads the file.</summary>
    /// <exception cref="ModelFileException">
    /// SP001 to SP004 not a protobuf message; SP005 pieces missing, empty, alike, or with a score that is not finite; SP006 not one unknown piece, a wrong
    /// or missing byte piece, or an id out of range; SP007 a kind of model or an option that is not supported; GV006 a damaged charsmap; IO001 to IO006.
    /// </exception>
    public static SentencePieceFile Read(string path) => Parse(path, InputFile.ReadAll(path));

    /// <summary>The same from the file's content.</summary>
    /// <exception cref="ModelFileException">As <see cref="Read"/>.</exception>
    internal static SentencePieceFile Parse(string path, ReadOnlySpan<byte> bytes)
    {
        var file = new SentencePieceFile(path);
        var message = new ProtobufReader(bytes, path);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1:
                    file.AddPiece(new ProtobufReader(message.Bytes(), path));
                    break;
                case 2:
                    file.ReadTrainer(new ProtobufReader(message.Bytes(), path));
                    break;
                case 3:
                    file.ReadNormalizer(new ProtobufReader(message.Bytes(), path));
                    break;
            }
        }
        file.Check();
        return file;
    }

    private void AddPiece(ProtobufReader piece)
    {
        string text = "";
        float score = 0;
        int type = (int)TokenType.Normal;
        while (piece.Next())
        {
            switch (piece.Field)
            {
                case 1:
                    if (!Utf8.IsValid(piece.Bytes()))
                        throw Bad("SP005", $"piece {_texts.Count} is not UTF-8");
                    text = Encoding.UTF8.GetString(piece.Bytes());
                    break;
                case 2:
                    score = piece.Float();
                    break;
                case 3:
                    type = piece.Integer();
                    break;
            }
        }
        if (text.Length is 0 or > LongestPiece)
            throw Bad("SP005", $"piece {_texts.Count} has {text.Length} characters; 1 to {LongestPiece} are allowed");
        if (!float.IsFinite(score))
            throw Bad("SP005", $"piece {_texts.Count}, {Echo.Quote(text)}, has no finite score");
        if (type is < 1 or > 6)
            throw Bad("SP005", $"piece {_texts.Count}, {Echo.Quote(text)}, is of type {type}; 1 to 6 are known");
        if (_texts.Count > Vocabulary.LargestId)
            throw Bad("SP005", $"it has more than {Vocabulary.LargestId} pieces");
        _texts.Add(text);
        _types.Add((TokenType)type);
        _scores.Add(score);
    }

    private void ReadTrainer(ProtobufReader trainer)
    {
        while (trainer.Next())
        {
            switch (trainer.Field)
            {
                case 3:
                    _kind = trainer.Integer();
                    break;
                case 24:
                    _suffix = trainer.Flag();
                    break;
                case 35:
                    _bytes = trainer.Flag();
                    break;
                case 40:
                    _unknown = trainer.Integer();
                    break;
                case 41:
                    _bos = trainer.Integer();
                    break;
                case 42:
                    _eos = trainer.Integer();
                    break;
                case 43:
                    _pad = trainer.Integer();
                    break;
            }
        }
    }

    private void ReadNormalizer(ProtobufReader normalizer)
    {
        while (normalizer.Next())
        {
            switch (normalizer.Field)
            {
                case 2:
                    CharsmapBytes = normalizer.Bytes().ToArray();
                    Charsmap = Charsmap.Read(CharsmapBytes, what => Bad("GV006", $"its precompiled_charsmap {what}"));
                    break;
                case 3:
                    SpaceInFront = normalizer.Flag();
                    break;
                case 4:
                    CollapseSpaces = normalizer.Flag();
                    break;
                case 5:
                    _escape = normalizer.Flag();
                    break;
            }
        }
    }

    private void Check()
    {
        if (_texts.Count == 0)
            throw Bad("SP005", "it has no pieces");
        if (_kind != Bpe)
        {
            throw new ModelFileException("SP007", _path, $"the model is of the kind {(_kind is > 0 and < 5 ? Kinds[_kind] : _kind)}; only BPE is supported. " +
                "Save the fast tokenizer beside it, with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)");
        }
        if (_suffix || !_escape)
            throw new ModelFileException("SP007", _path, $"the model sets {(_suffix ? "treat_whitespace_as_suffix" : "escape_whitespaces to false")}, which is not supported; use its tokenizer.json");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string text in _texts)
            if (!seen.Add(text))
                throw Bad("SP005", $"the piece {Echo.Quote(text)} occurs twice");
        int unknown = _types.Count(t => t == TokenType.Unknown);
        if (unknown != 1)
            throw Bad("SP006", $"it has {unknown} unknown pieces; there must be one");
        if (_bytes && !_types.Contains(TokenType.Byte))
            throw Bad("SP006", "it falls back to bytes, but has no byte pieces");
        foreach (int id in (ReadOnlySpan<int>)[_unknown, _bos, _eos, _pad])
            if (id < -1 || id >= _texts.Count)
                throw Bad("SP006", $"it names the id {id}, but has {_texts.Count} pieces");
        Tokens = new TokenTable([.. _texts], [.. _types], [.. _scores]);
    }

    private static int? IdOf(int id) => id < 0 ? null : id;

    private ModelFileException Bad(string code, string what) => new(code, _path, $"{what}; this is no sentencepiece model, or it is damaged, fetch it again");
}
