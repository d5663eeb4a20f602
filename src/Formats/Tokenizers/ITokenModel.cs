namespace Marrow.Formats.Tokenizers;

/// <summary>Turns a piece of text into token ids. Safe for concurrent use.</summary>
internal interface ITokenModel
{
    /// <summary>Appends the ids of <paramref name="piece"/>, well-formed UTF-16 and not empty, to <paramref name="ids"/>.</summary>
    /// <exception cref="MarrowException">TK012: a character has no token and there is no unknown token.</exception>
    void Encode(ReadOnlySpan<char> piece, List<int> ids);
}
