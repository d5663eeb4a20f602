namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>Sequence: each decoder reads what the one before it wrote.</summary>
internal sealed class DecoderSequence(ITokenDecoder[] parts) : ITokenDecoder
{
    public IDecoderRun Start() => new Run(Array.ConvertAll(parts, part => part.Start()));

    private sealed class Run(IDecoderRun[] runs) : IDecoderRun
    {
        public void Push(TokenChunk chunk, List<TokenChunk> output)
        {
            List<TokenChunk> chunks = [chunk];
            foreach (IDecoderRun run in runs)
                chunks = Pass(chunks, run);
            output.AddRange(chunks);
        }

        public void Finish(List<TokenChunk> output)
        {
            var chunks = new List<TokenChunk>();
            foreach (IDecoderRun run in runs)
            {
                chunks = Pass(chunks, run);
                run.Finish(chunks);
            }
            output.AddRange(chunks);
        }

        private static List<TokenChunk> Pass(List<TokenChunk> chunks, IDecoderRun run)
        {
            var passed = new List<TokenChunk>();
            foreach (TokenChunk chunk in chunks)
                run.Push(chunk, passed);
            return passed;
        }
    }
}
