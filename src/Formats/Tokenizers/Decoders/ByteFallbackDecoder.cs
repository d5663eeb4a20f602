namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>ByteFallback: runs of <c>&lt;0xHH&gt;</c> tokens become the characters that their bytes spell; each byte that spells none becomes U+FFFD.</summary>
internal sealed class ByteFallbackDecoder : ITokenDecoder
{
    public IDecoderRun Start() => new Run();

    private sealed class Run : IDecoderRun
    {
        private readonly byte[] _held = new byte[4];
        private int _count;

        public void Push(TokenChunk chunk, List<TokenChunk> output)
        {
            if (TokenTable.ByteOf(chunk.Text) is not { } value)
            {
                Finish(output);
                output.Add(chunk);
                return;
            }
            _held[_count++] = value;
            while (_count > 0)
            {
                switch (System.Text.Rune.DecodeFromUtf8(_held.AsSpan(0, _count), out System.Text.Rune rune, out int used))
                {
                    case System.Buffers.OperationStatus.NeedMoreData:
                        return;
                    case System.Buffers.OperationStatus.Done:
                        output.Add(new TokenChunk(rune.ToString()));
                        Drop(used);
                        break;
                    default:
                        output.Add(new TokenChunk("\uFFFD"));
                        Drop(1);
                        break;
                }
            }
        }

        public void Finish(List<TokenChunk> output)
        {
            for (; _count > 0; _count--)
                output.Add(new TokenChunk("\uFFFD"));
        }

        private void Drop(int bytes)
        {
            _held.AsSpan(bytes, _count - bytes).CopyTo(_held);
            _count -= bytes;
        }
    }
}
