using System.Text;
using Marrow.Formats.Tokenizers.Bpe;

namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>ByteLevel: characters back to bytes; a token with any other character stands for its own UTF-8.</summary>
internal sealed class ByteLevelDecoder : ITokenDecoder
{
    public IDecoderRun Start() => new Run();

    private sealed class Run : IDecoderRun
    {
        private readonly Utf8Assembler _text = new();
        private bool _begun;

        public void Push(TokenChunk chunk, List<TokenChunk> output) => Emit(_text.Push(chunk.Literal ? Encoding.UTF8.GetBytes(chunk.Text) : Bytes(chunk.Text)), output);

        public void Finish(List<TokenChunk> output) => Emit(_text.Finish(), output);

        // HF joins all tokens into one here, so what follows sees one long token.
        private void Emit(string text, List<TokenChunk> output)
        {
            if (text.Length == 0)
                return;
            output.Add(new TokenChunk(text, _begun));
            _begun = true;
        }

        private static byte[] Bytes(string token)
        {
            var bytes = new byte[token.Length];
            for (int i = 0; i < token.Length; i++)
            {
                int b = ByteAlphabet.ToByte(token[i]);
                if (b < 0)
                    return Encoding.UTF8.GetBytes(token);
                bytes[i] = (byte)b;
            }
            return bytes;
        }
    }
}
