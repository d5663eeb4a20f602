using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Marrow.Formats.Tokenizers.Normalizers;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>
/// Sentencepiece's precompiled_charsmap: a double-array trie of byte strings and what replaces them, the longest match first (spec/formats.md §5.3).
/// </summary>
internal sealed class Charsmap : ITextNormalizer
{
    // Unicode's own normal forms make at most 11 bytes of one, from strings of a few characters.
    private const int LargestGrowth = 64, LongestKey = 1024;

    private readonly uint[] _trie;
    private readonly byte[] _replacements;

    private Charsmap(uint[] trie, byte[] replacements) => (_trie, _replacements) = (trie, replacements);

    /// <summary>Reads the bytes of a file's charsmap; null where they are empty, which means that nothing is replaced.</summary>
    /// <exception cref="MarrowException">What <paramref name="error"/> makes: sizes that do not fit, strings that do not end.</exception>
    public static Charsmap? Read(ReadOnlySpan<byte> bytes, Func<string, MarrowException> error)
    {
        if (bytes.IsEmpty)
            return null;
        if (bytes.Length < 4)
            throw error($"has {bytes.Length} bytes; at least 4 are needed");
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        bytes = bytes[4..];
        if (size % 4 != 0 || size == 0 || size > bytes.Length)
            throw error($"states a trie of {size} bytes; a multiple of 4 up to {bytes.Length} is expected");
        var trie = new uint[size / 4];
        for (int i = 0; i < trie.Length; i++)
            trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 * i)..]);
        byte[] replacements = bytes[(int)size..].ToArray();
        if (replacements is [.., not 0])
            throw error("has replacements of which the last does not end");
        return new Charsmap(trie, replacements);
    }

    /// <exception cref="MarrowException">GV006 the trie leads out of itself or has strings of over 1024 bytes; the text becomes over 64 times as long.</exception>
    public string Normalize(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        var normalized = new ArrayBufferWriter<byte>(bytes.Length + 16);
        for (int at = 0; at < bytes.Length;)
        {
            if (LongestAt(bytes.AsSpan(at), out int length) is { } replacement)
            {
                int size = _replacements.AsSpan(replacement).IndexOf((byte)0);
                if (normalized.WrittenCount + (long)size > Math.Min((long)LargestGrowth * (bytes.Length + 16), Array.MaxLength))
                    throw Broken($"makes a text over {LargestGrowth} times as long");
                normalized.Write(_replacements.AsSpan(replacement, size));
            }
            else
            {
                _ = Rune.DecodeFromUtf8(bytes.AsSpan(at), out _, out length);
                normalized.Write(bytes.AsSpan(at, length));
            }
            at += length;
        }
        return Encoding.UTF8.GetString(normalized.WrittenSpan);
    }

    private int? LongestAt(ReadOnlySpan<byte> text, out int length)
    {
        int? found = null;
        length = 0;
        uint position = Base(UnitAt(0));
        for (int i = 0; i < text.Length && text[i] != 0; i++)
        {
            if (i == LongestKey)
                throw Broken($"has strings of over {LongestKey} bytes");
            position ^= text[i];
            uint unit = UnitAt(position);
            if ((unit & 0x8000_00FF) != text[i])
                break;
            position ^= Base(unit);
            if ((unit >> 8 & 1) == 0)
                continue;
            uint offset = UnitAt(position) & 0x7FFF_FFFF;
            if (offset >= _replacements.Length)
                throw Broken(Outside);
            (found, length) = ((int)offset, i + 1);
        }
        return found;
    }

    private uint UnitAt(uint position) => position < _trie.Length ? _trie[position] : throw Broken(Outside);

    private static uint Base(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);

    private const string Outside = "leads out of itself";

    private static MarrowException Broken(string how) => new("GV006", $"The tokenizer's precompiled_charsmap {how}; the model file is damaged, fetch it again. [GV006]");
}
