using System.Buffers.Binary;
using System.Text;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>Writes a sentencepiece model file of the kind BPE (spec/formats.md §5.3).</summary>
internal static class SentencePieceWriter
{
    /// <param name="tokens">The pieces, one of them UNKNOWN.</param>
    /// <param name="space">A space stands in front of a text.</param>
    /// <param name="collapse">Spaces at the ends and doubled ones are dropped.</param>
    /// <param name="charsmap">The precompiled_charsmap; may be empty.</param>
    /// <param name="roles">The ids of unknown, BOS, EOS and padding; −1 where there is none.</param>
    public static byte[] Write(TokenTable tokens, bool space, bool collapse, ReadOnlySpan<byte> charsmap, (int Unknown, int Bos, int Eos, int Pad) roles)
    {
        using var file = new MemoryStream();
        for (int id = 0; id < tokens.Count; id++)
        {
            using var piece = new MemoryStream();
            string text = tokens.Types[id] == TokenType.UserDefined ? tokens.Texts[id].Replace(' ', SentencePieceOptions.Space) : tokens.Texts[id];
            Bytes(piece, 1, Encoding.UTF8.GetBytes(text));
            Float(piece, 2, tokens.Scores[id]);
            if (tokens.Types[id] != TokenType.Normal)
                Number(piece, 3, (int)tokens.Types[id]);
            Bytes(file, 1, piece.ToArray());
        }
        using var trainer = new MemoryStream();
        Number(trainer, 3, 2);
        Number(trainer, 4, tokens.Count);
        Number(trainer, 35, tokens.Types.Contains(TokenType.Byte) ? 1 : 0);
        Number(trainer, 40, roles.Unknown);
        Number(trainer, 41, roles.Bos);
        Number(trainer, 42, roles.Eos);
        Number(trainer, 43, roles.Pad);
        foreach ((int field, int id) in (ReadOnlySpan<(int, int)>)[(45, roles.Unknown), (46, roles.Bos), (47, roles.Eos), (48, roles.Pad)])
            if (id >= 0)
                Bytes(trainer, field, Encoding.UTF8.GetBytes(tokens.Texts[id]));
        Bytes(file, 2, trainer.ToArray());

        using var normalizer = new MemoryStream();
        Bytes(normalizer, 1, charsmap.IsEmpty ? "identity"u8 : "user_defined"u8);
        Bytes(normalizer, 2, charsmap);
        Number(normalizer, 3, space ? 1 : 0);
        Number(normalizer, 4, collapse ? 1 : 0);
        Number(normalizer, 5, 1);
        Bytes(file, 3, normalizer.ToArray());
        return file.ToArray();
    }

    private static void Varint(MemoryStream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }

    private static void Number(MemoryStream stream, int field, int value)
    {
        Varint(stream, (ulong)field << 3);
        Varint(stream, unchecked((ulong)(long)value));
    }

    private static void Float(MemoryStream stream, int field, float value)
    {
        Varint(stream, ((ulong)field << 3) | 5);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void Bytes(MemoryStream stream, int field, ReadOnlySpan<byte> bytes)
    {
        Varint(stream, ((ulong)field << 3) | 2);
        Varint(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }
}
