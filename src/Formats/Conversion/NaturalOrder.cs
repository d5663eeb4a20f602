namespace Marrow.Formats.Conversion;

/// <summary>Names by their characters, with runs of digits by their number: "layers.2." before "layers.10.".</summary>
internal sealed class NaturalOrder : IComparer<string>
{
    public static NaturalOrder Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        ReadOnlySpan<char> a = x, b = y;
        while (!a.IsEmpty && !b.IsEmpty)
        {
            int i = Digits(a), j = Digits(b);
            if (i == 0 || j == 0)
            {
                if (a[0] != b[0])
                    return a[0] - b[0];
                (i, j) = (1, 1);
            }
            else
            {
                ReadOnlySpan<char> m = a[..i].TrimStart('0'), n = b[..j].TrimStart('0');
                int order = m.Length != n.Length ? m.Length - n.Length : m.SequenceCompareTo(n);
                if (order != 0)
                    return order;
            }
            a = a[i..];
            b = b[j..];
        }
        // Equal but for leading zeros: the order must still be one.
        return a.Length != b.Length ? a.Length - b.Length : string.CompareOrdinal(x, y);
    }

    private static int Digits(ReadOnlySpan<char> text) => text.IndexOfAnyExceptInRange('0', '9') is >= 0 and var end ? end : text.Length;
}
