using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>Normalizers, patterns and pre-tokenizers one by one.</summary>
public class PartsTests
{
    private static T With<T>(string json, Func<JsonAt, T> read) => JsonAt.ReadBytes("tokenizer.json", System.Text.Encoding.UTF8.GetBytes(json), read);

    private static string Normalize(string json, string text) => With(json, j => NormalizerReader.Read(j)).Normalize(text);

    private static string[] Split(string json, string text)
    {
        var pieces = new PieceList(text, atStart: true);
        With(json, j => PreTokenizerReader.Read(j)).Apply(pieces);
        return [.. Enumerable.Range(0, pieces.Pieces.Count).Select(i => pieces[i].ToString())];
    }

    [Theory]
    [InlineData("""{"type":"NFC"}""", "e\u0301\uFB01", "\u00E9\uFB01")]
    [InlineData("""{"type":"NFD"}""", "\u00E9", "e\u0301")]
    [InlineData("""{"type":"NFKC"}""", "e\u0301\uFB01", "\u00E9fi")]
    [InlineData("""{"type":"NFKD"}""", "\u00E9\uFB01", "e\u0301fi")]
    [InlineData("""{"type":"Lowercase"}""", "ÀB\u0130\U00010400", "àbi\u0307\U00010428")]
    [InlineData("""{"type":"StripAccents"}""", "e\u0301a\u20DD", "ea")]
    [InlineData("""{"type":"Strip"}""", " \ta b\n", "a b")]
    [InlineData("""{"type":"Strip","strip_left":false}""", " a ", " a")]
    [InlineData("""{"type":"Prepend","prepend":"_"}""", "a", "_a")]
    [InlineData("""{"type":"Prepend","prepend":"_"}""", "", "")]
    [InlineData("""{"type":"Replace","pattern":{"String":"ab"},"content":"x"}""", "abcab ab", "xcx x")]
    [InlineData("""{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"_"}""", "a   b c", "a_b c")]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}""", "\u00C9t\u00E9", "ete")]
    public void Normalizers_rewrite(string json, string text, string expected) => Assert.Equal(expected, Normalize(json, text));

    [Fact]
    public void Missing_unicode_tables_are_noticed()
    {
        UnicodeNormalizer.RequireUnicodeTables((text, form) => text.Normalize(form));
        var error = Assert.Throws<MarrowException>(() => UnicodeNormalizer.RequireUnicodeTables((text, _) => text));
        Assert.Equal("TK011", error.Code);
        Assert.Contains("libicu", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type":"Digits","individual_digits":true}""", "a12 3", "a|1|2| |3")]
    [InlineData("""{"type":"Digits","individual_digits":false}""", "a12 3", "a|12| |3")]
    [InlineData("""{"type":"Punctuation"}""", "a,b!!", "a|,|b|!|!")]
    [InlineData("""{"type":"Punctuation","behavior":"Contiguous"}""", "a,b!!", "a|,|b|!!")]
    [InlineData("""{"type":"Whitespace"}""", "ab_1  c,;d", "ab_1|c|,;|d")]
    [InlineData("""{"type":"WhitespaceSplit"}""", " ab  c,d ", "ab|c,d")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Removed"}""", "a--b-c", "a|b|c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated"}""", "a--b-c", "a|-|-|b|-|c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious"}""", "a--b-c", "a-|-|b-|c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext"}""", "a--b-c", "a|-|-b|-c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous"}""", "a--b-c", "a|--|b|-|c")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"[a-z]+"},"behavior":"Removed","invert":true}""", "ab12cd", "ab|cd")]
    [InlineData("""{"type":"Metaspace"}""", "a  b", "▁a|▁|▁b")]
    [InlineData("""{"type":"ByteLevel","use_regex":true}""", "a é", "Ġa|ĠÃ©")]
    [InlineData("""{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Digits","individual_digits":true}]}""", "a1 b", "a|1|b")]
    public void Pre_tokenizers_cut(string json, string text, string expected) => Assert.Equal(expected, string.Join('|', Split(json, text)));

    [Theory]
    [InlineData("""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")]
    [InlineData("""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""")]
    [InlineData("""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""")]
    public void Known_patterns_cut_as_their_regex_does(string pattern)
    {
        IPattern known = With(new JsonObject { ["Regex"] = pattern }.ToJsonString(), PatternReader.Read);
        Assert.IsNotType<RegexPattern>(known);
        var regex = new Regex(pattern, RegexOptions.CultureInvariant);
        var random = new Random(5);
        for (int n = 0; n < 3000; n++)
        {
            // Oniguruma folds U+017F to s, .NET does not.
            string text = RandomText.Next(random, 24, astral: false).Replace('\u017F', 'x');
            var matches = new List<(int Start, int Length)>();
            known.Find(text, matches);
            Assert.Equal(regex.Matches(text).Select(m => m.Value), matches.Select(m => text.Substring(m.Start, m.Length)));
        }
    }

    [Fact]
    public void Letters_and_digits_beyond_the_basic_plane_count()
    {
        string mathematical = "\U0001D400\U0001D401", digits = "\U0001D7CE\U0001D7CF";
        var known = new List<(int Start, int Length)>();
        new Llama3Pattern(3).Find($" {mathematical}{digits}!", known);
        Assert.Equal([(0, 5), (5, 4), (9, 1)], known);

        var other = new List<(int Start, int Length)>();
        With("""{"Regex":"\\p{L}+|\\p{N}"}""", PatternReader.Read).Find($" {mathematical}{digits}!", other);
        Assert.Equal([(1, 4), (5, 2), (7, 2)], other);
    }

    [Fact]
    public void A_catastrophic_regex_is_stopped()
    {
        IPattern pattern = With("""{"Regex":"(a+)+$"}""", PatternReader.Read);
        var error = Assert.Throws<MarrowException>(() => pattern.Find(new string('a', 50_000) + "b", []));
        Assert.Equal("TK004", error.Code);
    }

    [Theory]
    [InlineData("""{"Regex":"\\p{Han}+"}""")]
    [InlineData("""{"Regex":"(unclosed"}""")]
    [InlineData("""{"Regex":"a?+b"}""")]
    public void A_regex_that_dotnet_does_not_know_is_refused_by_name(string json)
    {
        var error = Assert.Throws<ModelFileException>(() => With(json, PatternReader.Read));
        Assert.Equal("TK006", error.Code);
    }
}
