namespace Marrow.Formats.Tokenizers;

/// <summary>Reads the members of a <c>Sequence</c>, which may nest 8 deep (spec/formats.md §7.6).</summary>
internal static class SequenceReader
{
    private const int Deepest = 8;

    public static T[] Read<T>(JsonAt json, string key, int depth, Func<JsonAt, int, T> read)
    {
        if (depth >= Deepest)
            throw json.Error("TK005", $"a Sequence is nested more than {Deepest} deep");
        return json.Required(key).Items().Select(item => read(item, depth + 1)).ToArray();
    }
}
