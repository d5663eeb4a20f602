namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>A fixed text.</summary>
internal sealed class LiteralPattern(string literal) : IPattern
{
    public void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        for (int at = 0; ;)
        {
            int step = text[at..].IndexOf(literal, StringComparison.Ordinal);
            if (step < 0)
                return;
            matches.Add((at + step, literal.Length));
            at += step + literal.Length;
        }
    }
}
