using System.Text;
using Marrow.Formats.Tokenizers.Decoders;

namespace Marrow.Formats.Tokenizers;

/// <summary>Tokens into text, one by one.</summary>
internal sealed class TokenStream(HuggingFaceTokenizer tokenizer, ITokenDecoder decoder, bool skipSpecial) : IStreamingDecoder
{
    private readonly List<TokenChunk> _chunks = [];
    private IDecoderRun _run = decoder.Start();

    public string Push(int id)
    {
        Append(id);
        return Take();
    }

    public string Flush()
    {
        _run.Finish(_chunks);
        _run = decoder.Start();
        return Take();
    }

    /// <summary>Adds a token whose text is only wanted at the end.</summary>
    internal void Append(int id)
    {
        if (!skipSpecial || !tokenizer.IsSpecial(id))
            _run.Push(new TokenChunk(tokenizer.TokenOf(id) ?? "\uFFFD", Literal: tokenizer.IsAdded(id)), _chunks);
    }

    private string Take()
    {
        if (_chunks.Count == 1)
        {
            string only = _chunks[0].Text;
            _chunks.Clear();
            return only;
        }
        var text = new StringBuilder();
        foreach (TokenChunk chunk in _chunks)
            text.Append(chunk.Text);
        _chunks.Clear();
        return text.ToString();
    }
}
