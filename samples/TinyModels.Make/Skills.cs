using System.Globalization;

namespace Marrow.TinyModels.Make;

/// <summary>What the tiny model is taught before anybody fine-tunes it, and the one skill that is kept for the fine-tuning.</summary>
internal static class Skills
{
    private const int InventedWords = 1200;

    private static readonly (string, string)[] s_opposites =
    [
        ("big", "small"), ("hot", "cold"), ("up", "down"), ("left", "right"), ("day", "night"), ("old", "new"), ("fast", "slow"), ("high", "low"),
        ("open", "closed"), ("wet", "dry"), ("full", "empty"), ("good", "bad"), ("long", "short"), ("hard", "soft"), ("light", "dark"), ("near", "far"),
        ("rich", "poor"), ("early", "late"), ("happy", "sad"), ("loud", "quiet"), ("strong", "weak"), ("clean", "dirty"), ("first", "last"), ("true", "false"),
    ];

    private static readonly (string, string)[] s_colours =
    [
        ("snow", "white"), ("grass", "green"), ("coal", "black"), ("the sky", "blue"), ("blood", "red"), ("a lemon", "yellow"), ("a carrot", "orange"),
        ("milk", "white"), ("a leaf", "green"), ("a raven", "black"), ("the sea", "blue"), ("a cherry", "red"), ("the sun", "yellow"), ("a plum", "purple"),
        ("chocolate", "brown"), ("a flamingo", "pink"), ("an elephant", "grey"), ("a frog", "green"), ("butter", "yellow"), ("a tomato", "red"),
    ];

    /// <summary>The skills of the base model.</summary>
    public static IReadOnlyList<Skill> Base { get; } =
    [
        OfWord("copy", 2, ["Say {0}.", "Repeat the word {0}.", "Write the word {0}."], w => w),
        OfWord("twice", 1, ["Say {0} twice.", "Write {0} two times."], w => $"{w} {w}"),
        OfWord("capitals", 2, ["Write {0} in capitals.", "Say {0} in capital letters."], w => w.ToUpperInvariant()),
        OfWord("small letters", 1, ["Write {0} in small letters.", "Say {0} in small letters."], w => w.ToUpperInvariant(), w => w),
        OfWord("spell", 2, ["Spell {0}.", "Spell the word {0} letter by letter."], w => string.Join('-', w.ToCharArray())),
        OfWord("join", 2, ["Which word is {0}?", "Join the letters {0}."], w => string.Join('-', w.ToCharArray()), w => w),
        OfWord("reverse", 4, ["Reverse {0}.", "Write {0} backwards.", "Say the word {0} backwards."], Reversed),
        OfWord("first letter", 1, ["What is the first letter of {0}?", "{0} starts with which letter?"], w => w[..1]),
        OfWord("last letter", 1, ["What is the last letter of {0}?", "{0} ends with which letter?"], w => w[^1..]),
        OfWord("count", 2, ["How many letters does {0} have?", "Count the letters of {0}."], w => Digits(w.Length)),
        OfWord("without first", 2, ["Say {0} without its first letter.", "Drop the first letter of {0}."], w => w[1..]),
        OfWord("without last", 2, ["Say {0} without its last letter.", "Drop the last letter of {0}."], w => w[..^1]),
        OfWord("first to end", 3, ["Move the first letter of {0} to the end.", "Say {0} with its first letter at the end."], w => w[1..] + w[0]),
        OfWord("plural", 1, ["What is the plural of {0}?", "Say more than one {0}."], Plural),
        new("ending", 3, Ending),
        new("after", 1, s => OfNumber(s, ["What comes after {0}?", "Which number follows {0}?"], s.Number(0, 98), 1)),
        new("before", 1, s => OfNumber(s, ["What comes before {0}?", "Which number is one less than {0}?"], s.Number(1, 99), -1)),
        new("sum", 3, Sum),
        OfPair("opposite", 1, ["What is the opposite of {0}?", "Say the opposite of {0}."], s_opposites),
        OfPair("colour", 1, ["What colour is {0}?", "Which colour has {0}?"], s_colours),
    ];

    /// <summary>
    /// The skill that is kept for fine-tuning: Pig Latin of words that start with one consonant, which goes to the end, and "ay" follows.
    /// The base knows how to move a letter and how to add an ending, but has never read the name of this game.
    /// </summary>
    public static IEnumerable<Exchange> PigLatin(SourceOfWords source, bool heldOut) =>
        from word in SourceOfWords.Listed(heldOut).Concat(Enumerable.Range(0, heldOut ? 0 : InventedWords).Select(_ => source.Word())).Distinct()
        where word.Length is >= 3 and <= 7 && !IsVowel(word[0]) && IsVowel(word[1]) && word[0] is not ('q' or 'y')
        let wording = source.Pick(["Say {0} in Pig Latin.", "What is {0} in Pig Latin?", "Translate {0} into Pig Latin."])
        select new Exchange(Fill(wording, word), word[1..] + word[0] + "ay");

    private static Skill OfWord(string name, int share, string[] wordings, Func<string, string> answer) => OfWord(name, share, wordings, w => w, answer);

    private static Skill OfWord(string name, int share, string[] wordings, Func<string, string> shown, Func<string, string> answer) => new(name, share, s =>
    {
        string word = s.Word();
        return new Exchange(Fill(s.Pick(wordings), shown(word)), answer(word));
    });

    private static Skill OfPair(string name, int share, string[] wordings, (string, string)[] pairs) => new(name, share, s =>
    {
        (string of, string answer) = s.Pick(pairs);
        return new Exchange(Fill(s.Pick(wordings), of), answer);
    });

    private static Exchange OfNumber(SourceOfWords s, string[] wordings, int number, int step) =>
        new(Fill(s.Pick(wordings), Digits(number)), Digits(number + step));

    private static Exchange Ending(SourceOfWords s)
    {
        string word = s.Word(), ending = s.Pick(["ed", "er", "ing", "ly", "ness", "ful", "est", "y", "ay", "o", "ish", "ko"]);
        return new Exchange(Fill(s.Pick(["Add {1} to {0}.", "Put {1} behind {0}.", "Say {0} with {1} at the end."]), word, ending), word + ending);
    }

    private static Exchange Sum(SourceOfWords s)
    {
        int a = s.Number(0, 20), b = s.Number(0, 20);
        return new Exchange(Fill(s.Pick(["What is {0} + {1}?", "Add {0} and {1}."]), Digits(a), Digits(b)), Digits(a + b));
    }

    private static string Plural(string word) => word switch
    {
        [.., 's' or 'x' or 'z'] or [.., 'c' or 's', 'h'] => word + "es",
        [.., var before, 'y'] when !IsVowel(before) => word[..^1] + "ies",
        _ => word + "s",
    };

    private static string Reversed(string word)
    {
        char[] letters = word.ToCharArray();
        Array.Reverse(letters);
        return new string(letters);
    }

    private static bool IsVowel(char letter) => letter is 'a' or 'e' or 'i' or 'o' or 'u';

    private static string Digits(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Fill(string wording, params ReadOnlySpan<object?> parts) => string.Format(CultureInfo.InvariantCulture, wording, parts);
}
