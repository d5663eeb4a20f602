namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Metaspace: a visible character for the space, in front of the text as <paramref name="prepend"/> says, and a new piece at each.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme prepend, bool split) : IPreTokenizer
{
    private readonly LiteralPattern _pattern = new(replacement.ToString());

    public void Apply(PieceList pieces)
    {
        pieces.Rewrite((list, i, text) =>
        {
            bool wanted = prepend == PrependScheme.Always || (prepend == PrependScheme.First && list.AtStart && list.Pieces[i].Start == 0);
            if (wanted && list[i][0] != ' ' && list[i][0] != replacement)
                text.Append(replacement);
            foreach (char c in list[i])
                text.Append(c == ' ' ? replacement : c);
        });
        if (split)
            pieces.Split(_pattern, SplitBehavior.MergedWithNext);
    }

    /// <summary>The replacement and scheme of a Metaspace section, where older files say only <c>add_prefix_space</c>.</summary>
    public static (char Replacement, PrependScheme Prepend) ReadScheme(JsonAt json)
    {
        string replacement = json.OptionalText("replacement") ?? "\u2581";
        if (replacement.Length != 1)
            throw json.Unsupported("the Metaspace replacement", replacement);
        string scheme = json.OptionalText("prepend_scheme") ?? (json.Flag("add_prefix_space", true) ? "always" : "never");
        return (replacement[0], scheme switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw json.Unsupported("the prepend_scheme", scheme),
        });
    }
}

/// <summary>Where Metaspace puts its character in front.</summary>
internal enum PrependScheme
{
    Always,
    First,
    Never,
}
