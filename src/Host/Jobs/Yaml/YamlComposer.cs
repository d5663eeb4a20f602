using Marrow.Formats;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Marrow.Host.Jobs.Yaml;

/// <summary>
/// Turns YAML text into nodes with places. Depth and node count are bounded, aliases share their anchor's node, and
/// merge keys count what they add, so no small text grows large.
/// </summary>
internal sealed class YamlComposer
{
    private const int MaxDepth = 32;
    private const int MaxNodes = 10_000;

    private readonly Parser parser;
    private readonly string source;
    private readonly JobProblems problems;
    private readonly Dictionary<string, YamlNode> anchors = [];
    private int nodes;

    private YamlComposer(string text, string source, JobProblems problems)
    {
        parser = new Parser(new StringReader(text));
        this.source = source;
        this.problems = problems;
    }

    /// <summary>The only document of <paramref name="text"/>; null, with a problem noted, when it has none or is not YAML.</summary>
    public static YamlNode? Compose(string text, string source, JobProblems problems)
    {
        var composer = new YamlComposer(text, source, problems);
        try
        {
            return composer.Document();
        }
        catch (YamlException e)
        {
            // Of a tab the scanner may name the beginning of the file.
            int tab = e.Message.Contains("tab", StringComparison.Ordinal) ? Array.FindIndex(text.Split('\n'), line => line.TrimStart(' ').StartsWith('\t')) : -1;
            problems.Add("JB002", tab < 0 ? new Place(source, (int)e.Start.Line, (int)e.Start.Column) : new Place(source, tab + 1, 1), null, $"not valid YAML: {Echo.Name(e.Message, 300)}");
        }
        // The scanner answers some broken texts with these; they have no place of their own.
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            Mark near = composer.parser.Current?.End ?? Mark.Empty;
            problems.Add("JB002", new Place(source, (int)near.Line, (int)near.Column), null, "not valid YAML after this place");
        }
        return null;
    }

    private YamlNode? Document()
    {
        parser.Consume<StreamStart>();
        if (parser.Accept<StreamEnd>(out _))
        {
            problems.Add("JB002", new Place(source, 1, 1), null, "the file is empty");
            return null;
        }
        parser.Consume<DocumentStart>();
        YamlNode node = Node(0);
        parser.Consume<DocumentEnd>();
        if (parser.Accept<DocumentStart>(out DocumentStart? second))
            problems.Add("JB002", At(second), null, "a second YAML document; one file holds one job");
        return node;
    }

    private YamlNode Node(int depth)
    {
        Count(1, parser.Current!);
        if (depth > MaxDepth)
            throw new SemanticErrorException(parser.Current!.Start, parser.Current.End, $"nested deeper than {MaxDepth} levels");
        if (parser.TryConsume<AnchorAlias>(out var alias))
            return anchors.TryGetValue(alias.Value.Value, out YamlNode? shared)
                ? shared
                : throw new SemanticErrorException(alias.Start, alias.End, $"no anchor named '{Echo.Name(alias.Value.Value)}' stands before this alias");
        if (parser.Current is not NodeEvent start)
            throw new SemanticErrorException(parser.Current!.Start, parser.Current.End, "a value was expected");
        if (!start.Tag.IsEmpty && !start.Tag.IsNonSpecific)
            throw new SemanticErrorException(start.Start, start.End, "YAML tags (!!…) are not used in job files; remove it");
        YamlNode node = start switch
        {
            Scalar => Text(),
            SequenceStart => Sequence(depth),
            _ => Mapping(depth),
        };
        if (!start.Anchor.IsEmpty)
            anchors[start.Anchor.Value] = node;
        return node;
    }

    private YamlScalar Text()
    {
        Scalar scalar = parser.Consume<Scalar>();
        return new YamlScalar(At(scalar), scalar.Value, scalar.Style != ScalarStyle.Plain);
    }

    private YamlList Sequence(int depth)
    {
        Place place = At(parser.Consume<SequenceStart>());
        List<YamlNode> items = [];
        while (!parser.TryConsume<SequenceEnd>(out _))
            items.Add(Node(depth + 1));
        return new YamlList(place, items);
    }

    private YamlMap Mapping(int depth)
    {
        Place place = At(parser.Consume<MappingStart>());
        Dictionary<string, YamlEntry> entries = [];
        List<YamlNode> merged = [];
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            ParsingEvent at = parser.Current!;
            if (Node(depth + 1) is not YamlScalar key)
                throw new SemanticErrorException(at.Start, at.End, "a key must be plain text");
            YamlNode value = Node(depth + 1);
            if (key is { Text: "<<", Quoted: false })
                merged.Add(value);
            else if (!entries.TryAdd(key.Text, new YamlEntry(key, value)))
                problems.Add("JB005", key.Place, key.Text, $"this key stands twice (first on line {entries[key.Text].Key.Place.Line}); keep one");
        }
        foreach (YamlNode more in merged)
            Merge(more, entries);
        return new YamlMap(place, [.. entries.Values]);
    }

    /// <summary>Adds the entries of a merge key; what the map says itself wins.</summary>
    private void Merge(YamlNode more, Dictionary<string, YamlEntry> entries)
    {
        foreach (YamlNode part in more is YamlList list ? list.Items : [more])
        {
            if (part is not YamlMap map)
            {
                problems.Add("JB002", part.Place, "<<", "a merge key takes a mapping or a list of mappings");
                continue;
            }
            Count(map.Entries.Count, parser.Current!);
            foreach (YamlEntry entry in map.Entries)
                entries.TryAdd(entry.Key.Text, entry);
        }
    }

    private void Count(int added, ParsingEvent at)
    {
        nodes += added;
        if (nodes > MaxNodes)
            throw new SemanticErrorException(at.Start, at.End, $"more than {MaxNodes} values; a job file is small");
    }

    private Place At(ParsingEvent e) => new(source, (int)e.Start.Line, (int)e.Start.Column);
}
