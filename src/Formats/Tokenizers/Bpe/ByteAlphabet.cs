namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>The printable character that stands for each byte in byte-level vocabularies (spec/formats.md §7.4 step 3).</summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = MakeCharacters();
    private static readonly short[] Bytes = MakeBytes();

    public static char ToCharacter(byte value) => Characters[value];

    /// <summary>The byte of a character, or -1 where it stands for none.</summary>
    public static int ToByte(char character) => character < Bytes.Length ? Bytes[character] : -1;

    private static char[] MakeCharacters()
    {
        var characters = new char[256];
        int next = 0x100;
        for (int b = 0; b < 256; b++)
            characters[b] = b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174 ? (char)b : (char)next++;
        return characters;
    }

    private static short[] MakeBytes()
    {
        var bytes = new short[0x144];
        Array.Fill(bytes, (short)-1);
        for (int b = 0; b < 256; b++)
            bytes[Characters[b]] = (short)b;
        return bytes;
    }
}
