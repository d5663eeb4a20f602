using System.Buffers;
using System.Text;
using Marrow.Formats.Tokenizers.Bpe;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>ByteLevel: optionally a leading space and GPT-2's split, then every UTF-8 byte as its character.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool split) : IPreTokenizer
{
    private readonly Gpt2Pattern _pattern = new();

    public void Apply(PieceList pieces)
    {
        if (addPrefixSpace)
        {
            pieces.Rewrite(static (list, i, text) =>
            {
                if (!list[i].StartsWith(' '))
                    text.Append(' ');
                text.Append(list[i]);
            });
        }
        if (split)
            pieces.Split(_pattern, SplitBehavior.Isolated);
        pieces.Rewrite(static (list, i, text) => AppendBytes(list[i], text));
    }

    private static void AppendBytes(ReadOnlySpan<char> piece, StringBuilder text)
    {
        byte[]? rented = null;
        Span<byte> bytes = piece.Length <= 80 ? stackalloc byte[256] : (rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(piece.Length)));
        foreach (byte b in bytes[..Encoding.UTF8.GetBytes(piece, bytes)])
            text.Append(ByteAlphabet.ToCharacter(b));
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
    }
}
