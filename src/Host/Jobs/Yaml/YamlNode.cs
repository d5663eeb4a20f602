namespace Marrow.Host.Jobs.Yaml;

/// <summary>Where a piece of YAML stands. <paramref name="Line"/> is 0 for a source that has no lines (a command-line override).</summary>
internal readonly record struct Place(string Source, int Line, int Column)
{
    public override string ToString() => Line == 0 ? Source : string.Create(null, $"{Source}:{Line}:{Column}");
}

/// <summary>A composed YAML value. An alias is the node of its anchor, shared and not copied.</summary>
internal abstract record YamlNode(Place Place);

/// <summary>A scalar; <paramref name="Quoted"/> tells the text "10" from the number 10.</summary>
internal sealed record YamlScalar(Place Place, string Text, bool Quoted) : YamlNode(Place)
{
    public bool IsNull => !Quoted && Text is "" or "~" or "null" or "Null" or "NULL";
}

internal sealed record YamlList(Place Place, IReadOnlyList<YamlNode> Items) : YamlNode(Place);

internal sealed record YamlEntry(YamlScalar Key, YamlNode Value);

/// <summary>A mapping with text keys, each at most once, in the order of the file.</summary>
internal sealed record YamlMap(Place Place, IReadOnlyList<YamlEntry> Entries) : YamlNode(Place)
{
    public YamlNode? Find(string key) => Entries.FirstOrDefault(e => e.Key.Text == key)?.Value;

    /// <summary>A copy with <paramref name="key"/> set, in its old place or at the end.</summary>
    public YamlMap With(YamlScalar key, YamlNode value)
    {
        List<YamlEntry> entries = [.. Entries];
        int at = entries.FindIndex(e => e.Key.Text == key.Text);
        var entry = new YamlEntry(key, value);
        if (at < 0)
            entries.Add(entry);
        else
            entries[at] = entry;
        return this with { Entries = entries };
    }
}
