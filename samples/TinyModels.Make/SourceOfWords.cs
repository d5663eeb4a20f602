using Marrow.Engine.Training;

namespace Marrow.TinyModels.Make;

/// <summary>
/// Draws words, numbers and choices from one seeded stream. A quarter of the words come from a list, the rest are made of syllables.
/// A quarter of the listed words and a tenth of all others, told by their letters alone, are kept out of every training set, so
/// that questions about them test the skill and not memory.
/// </summary>
internal sealed class SourceOfWords(SeededRandom random, bool heldOut)
{
    private static readonly string[] s_onsets = ["b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "qu", "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "y", "z"];
    private static readonly string[] s_vowels = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ea", "oo", "ai", "ie"];
    private static readonly string[] s_list = ReadList();
    private static readonly HashSet<string> s_listed = [.. s_list];
    private static readonly string[] s_codas = ["", "", "b", "ck", "d", "g", "k", "l", "ll", "m", "n", "nd", "nt", "p", "r", "rn", "rt", "s", "ss", "st", "t", "x", "y"];

    /// <summary>The listed words for training, or those held out, in the order of the list.</summary>
    public static IEnumerable<string> Listed(bool heldOut) => s_list.Where(w => IsHeldOut(w) == heldOut);

    /// <summary>A whole number from <paramref name="low"/> to <paramref name="high"/>, both included.</summary>
    public int Number(int low, int high) => low + (int)(random.Next() % (ulong)(high - low + 1));

    /// <summary>One of the choices.</summary>
    public T Pick<T>(IReadOnlyList<T> choices) => choices[Number(0, choices.Count - 1)];

    /// <summary>A word of three to seven letters.</summary>
    public string Word()
    {
        while (true)
        {
            string word = Number(0, 3) == 0 ? Pick(s_list) : Invented();
            if (word.Length is >= 3 and <= 7 && IsHeldOut(word) == heldOut)
                return word;
        }
    }

    private string Invented()
    {
        string word = Number(0, 3) == 0 ? Pick(s_vowels) + Pick(s_codas) : Syllable();
        return Number(0, 3) == 0 && word.Length >= 3 ? word : word + Syllable();
    }

    private string Syllable() => Pick(s_onsets) + Pick(s_vowels) + Pick(s_codas);

    private static bool IsHeldOut(string word) => IsHeldOut(word, s_listed.Contains(word) ? 4u : 10u);

    private static bool IsHeldOut(string word, uint oneIn)
    {
        uint hash = 2166136261;
        foreach (char c in word)
            hash = (hash ^ c) * 16777619;
        return (hash ^ (hash >> 15)) % oneIn == 0;
    }

    private static string[] ReadList()
    {
        using Stream stream = typeof(SourceOfWords).Assembly.GetManifestResourceStream("words.txt")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }
}
