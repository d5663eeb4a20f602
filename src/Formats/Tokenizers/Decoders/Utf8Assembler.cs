using System.Text;

namespace Marrow.Formats.Tokenizers.Decoders;

/// <summary>Collects bytes and gives out whole characters; invalid bytes become U+FFFD as in <see cref="Encoding.UTF8"/>.</summary>
internal sealed class Utf8Assembler
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    public string Push(ReadOnlySpan<byte> bytes) => Decode(bytes, flush: false);

    public string Finish() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        // Up to three bytes may be held from before, and each byte makes at most one char.
        Span<char> chars = bytes.Length <= 120 ? stackalloc char[128] : new char[bytes.Length + 8];
        return new string(chars[.._decoder.GetChars(bytes, chars, flush)]);
    }
}
