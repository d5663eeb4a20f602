namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>Turns token texts into text; a fresh run per sequence holds its state.</summary>
internal interface ITokenDecoder
{
    IDecoderRun Start();
}

/// <summary>One sequence on its way through a decoder.</summary>
internal interface IDecoderRun
{
    /// <summary>Takes the next chunk and appends what is now certain.</summary>
    void Push(TokenChunk chunk, List<TokenChunk> output);

    /// <summary>The sequence is over: appends what was held back.</summary>
    void Finish(List<TokenChunk> output);
}

/// <summary>The text of a token, or a part of one.</summary>
/// <param name="Text">The text.</param>
/// <param name="Continues">Belongs to the same token as the chunk before it.</param>
/// <param name="Literal">The text of an added token, which is not spelt in the vocabulary's alphabet of bytes.</param>
internal readonly record struct TokenChunk(string Text, bool Continues = false, bool Literal = false);
