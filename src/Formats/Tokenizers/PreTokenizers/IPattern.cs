namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Finds the matches of a pattern, from left to right, not empty and not overlapping.</summary>
internal interface IPattern
{
    void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches);
}
