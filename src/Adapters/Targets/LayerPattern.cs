using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Marrow.Adapters.Peft;
using Marrow.Formats;

namespace Marrow.Adapters.Targets;

/// <summary>
/// Settings of single layers by pattern, as PEFT's rank_pattern and alpha_pattern: a pattern is a regular expression for the whole module path
/// or its end after a dot; the first that matches counts (spec/adapters.md §4.5).
/// </summary>
public sealed class LayerPattern
{
    private readonly Regex[] _expressions;

    /// <summary>Patterns and their values, in order.</summary>
    /// <exception cref="MarrowException">AD006 a pattern is not a regular expression.</exception>
    public LayerPattern(IReadOnlyList<(string Pattern, double Value)> entries)
    {
        Entries = entries;
        _expressions = [.. entries.Select(e => ModulePattern.Compile($@"\A(?:.*\.)?(?:{e.Pattern})\z", e.Pattern))];
    }

    /// <summary>The patterns and their values.</summary>
    public IReadOnlyList<(string Pattern, double Value)> Entries { get; }

    /// <summary>The value of the first pattern that matches a module path; null where none does.</summary>
    public double? Find(string path)
    {
        for (int i = 0; i < _expressions.Length; i++)
        {
            if (ModulePattern.IsMatch(_expressions[i], path, Entries[i].Pattern))
                return Entries[i].Value;
        }
        return null;
    }

    internal static LayerPattern Read(JsonFields json, string key) =>
        json.Object(key) is { } fields ? new([.. fields.Keys.Select(k => (k, fields.Number(k) ?? throw fields.Error("PF003", k, "is null")))]) : new([]);

    internal JsonObject ToJson() => new(Entries.Select(e => KeyValuePair.Create<string, JsonNode?>(e.Pattern, e.Value)));
}
