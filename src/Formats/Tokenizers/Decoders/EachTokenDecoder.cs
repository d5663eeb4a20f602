namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>A decoder that rewrites each token by itself, knowing only whether it is the first: Metaspace, Replace, Fuse, or none at all.</summary>
internal sealed class EachTokenDecoder(Func<TokenChunk, bool, TokenChunk> rewrite) : ITokenDecoder
{
    public IDecoderRun Start() => new Run(rewrite);

    private sealed class Run(Func<TokenChunk, bool, TokenChunk> rewrite) : IDecoderRun
    {
        private bool _first = true;

        public void Push(TokenChunk chunk, List<TokenChunk> output)
        {
            output.Add(rewrite(chunk, _first));
            _first = false;
        }

        public void Finish(List<TokenChunk> output)
        {
        }
    }
}
