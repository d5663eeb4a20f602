using System.Globalization;

namespace Marrow.Formats.Tokenizers;

/// <summary>The tokens of a vocabulary in the order of their ids, as GGUF and sentencepiece files list them.</summary>
internal sealed class TokenTable(string[] texts, TokenType[] types, float[] scores)
{
    public int Count => texts.Length;

    /// <summary>The texts, all different.</summary>
    public string[] Texts => texts;

    public TokenType[] Types => types;

    /// <summary>How early a token is merged, the highest first.</summary>
    public float[] Scores => scores;

    public static string ByteText(int value) => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>");

    /// <summary>The byte that a text of the form <c>&lt;0xHH&gt;</c> spells; null for any other text.</summary>
    public static byte? ByteOf(string text) =>
        text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>' &&
        byte.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value) ? value : null;

    /// <summary>The text of a row that only fills a vocabulary up to the model's size.</summary>
    public static string PaddingText(int id) => string.Create(CultureInfo.InvariantCulture, $"[PAD{id}]");

    /// <summary>How many tokens there are without the filling at the end.</summary>
    public int CountWithoutPadding
    {
        get
        {
            int count = Count;
            while (count > 0 && types[count - 1] != TokenType.Normal && texts[count - 1] == PaddingText(count - 1))
                count--;
            return count;
        }
    }

    /// <summary>Ids by text.</summary>
    public Vocabulary ToVocabulary()
    {
        var vocabulary = new Vocabulary(Count);
        for (int id = 0; id < Count; id++)
            _ = vocabulary.TryAdd(texts[id], id);
        return vocabulary;
    }

    /// <summary>The tokens that are cut out of a text before the model sees it.</summary>
    public List<AddedToken> AddedTokens()
    {
        var added = new List<AddedToken>();
        for (int id = 0; id < Count; id++)
            if (types[id] is TokenType.Control or TokenType.Unknown or TokenType.UserDefined)
                added.Add(new AddedToken(id, texts[id], Special: types[id] != TokenType.UserDefined));
        return added;
    }
}
