namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>Strip: takes up to <paramref name="start"/> and <paramref name="stop"/> of one character off the ends of each token (of the whole text after Fuse).</summary>
internal sealed class StripDecoder(char content, int start, int stop) : ITokenDecoder
{
    public IDecoderRun Start() => new Run(content, start, stop);

    private sealed class Run(char content, int start, int stop) : IDecoderRun
    {
        private int _toCut;
        private int _held;

        public void Push(TokenChunk chunk, List<TokenChunk> output)
        {
            if (!chunk.Continues)
            {
                _held = 0;
                _toCut = start;
            }
            ReadOnlySpan<char> text = chunk.Text;
            while (_toCut > 0 && text.Length > 0)
            {
                if (text[0] != content)
                {
                    _toCut = 0;
                    break;
                }
                text = text[1..];
                _toCut--;
            }
            int tail = text.Length - text.TrimEnd(content).Length;
            string body = text[..^tail].ToString();
            if (body.Length > 0)
            {
                body = new string(content, _held) + body;
                _held = 0;
            }
            _held += tail;
            if (_held > stop)
            {
                body += new string(content, _held - stop);
                _held = stop;
            }
            output.Add(new TokenChunk(body, chunk.Continues));
        }

        // What is held at the end of a token is what is to be stripped.
        public void Finish(List<TokenChunk> output) => _held = 0;
    }
}
