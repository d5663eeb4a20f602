using System.Text;

namespace Marrow.Formats.Tests.Datasets;

/// <summary>A byte tokenizer with a few special tokens, one merge (two line feeds) and, where asked, a space mark before every text.</summary>
internal sealed class TinyTokenizer(bool addsBos = true, bool addsEos = false, bool hasEos = true, bool spaceMark = false) : ITokenizer
{
    public const int Bos = 256, Eos = 257, TurnStart = 258, TurnEnd = 259, TwoLines = 260;

    private static readonly string[] Specials = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"];

    public int VocabularySize => 261;

    public int? BosId => addsBos ? Bos : null;

    public int? EosId => hasEos ? Eos : null;

    public IReadOnlyList<int> Encode(string text, bool addSpecial, bool parseSpecial)
    {
        var ids = new List<int>();
        if (addSpecial && addsBos)
            ids.Add(Bos);
        if (spaceMark && text.Length > 0)
            text = " " + text;
        int at = 0;
        while (at < text.Length)
        {
            int special = parseSpecial ? Array.FindIndex(Specials, s => string.CompareOrdinal(text, at, s, 0, s.Length) == 0) : -1;
            if (special >= 0)
            {
                ids.Add(Bos + special);
                at += Specials[special].Length;
            }
            else if (string.CompareOrdinal(text, at, "\n\n", 0, 2) == 0)
            {
                ids.Add(TwoLines);
                at += 2;
            }
            else
            {
                int chars = char.IsHighSurrogate(text[at]) ? 2 : 1;
                foreach (byte b in Encoding.UTF8.GetBytes(text.Substring(at, chars)))
                    ids.Add(b);
                at += chars;
            }
        }
        if (addSpecial && addsEos)
            ids.Add(Eos);
        return ids;
    }

    public int? IdOf(string token) => Array.IndexOf(Specials, token) is >= 0 and int i ? Bos + i : null;

    public bool IsSpecial(int id) => id is >= Bos and <= TurnEnd;

    public string Decode(IEnumerable<int> ids, bool skipSpecial)
    {
        IStreamingDecoder decoder = CreateStreamingDecoder(skipSpecial);
        var text = new StringBuilder();
        foreach (int id in ids)
            text.Append(decoder.Push(id));
        return text.Append(decoder.Flush()).ToString();
    }

    public IStreamingDecoder CreateStreamingDecoder(bool skipSpecial) => new Decoder8(skipSpecial);

    private sealed class Decoder8(bool skipSpecial) : IStreamingDecoder
    {
        private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

        public string Push(int id) => id switch
        {
            < 256 => Text([(byte)id], flush: false),
            TwoLines => Flush() + "\n\n",
            _ => Flush() + (skipSpecial ? "" : Specials[id - Bos]),
        };

        public string Flush() => Text([], flush: true);

        private string Text(byte[] bytes, bool flush)
        {
            var chars = new char[8];
            return new string(chars, 0, _utf8.GetChars(bytes, 0, bytes.Length, chars, 0, flush));
        }
    }
}
