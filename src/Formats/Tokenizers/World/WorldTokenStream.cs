using Marrow.Formats.Tokenizers.Decoders;

namespace Marrow.Formats.Tokenizers.World;

/// <summary>World tokens into text, one by one; an id without token gives U+FFFD.</summary>
internal sealed class WorldTokenStream(WorldTokenizer tokenizer, bool skipSpecial) : IStreamingDecoder
{
    private readonly Utf8Assembler _text = new();

    public string Push(int id)
    {
        if (skipSpecial && tokenizer.IsSpecial(id))
            return "";
        ReadOnlySpan<byte> bytes = tokenizer.BytesOf(id);
        return _text.Push(bytes.IsEmpty ? "\uFFFD"u8 : bytes);
    }

    public string Flush() => _text.Finish();
}
