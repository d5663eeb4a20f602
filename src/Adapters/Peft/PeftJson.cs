using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Marrow.Adapters.Peft;

/// <summary>JSON as PEFT writes it: keys sorted, two spaces, real numbers with a point.</summary>
internal static class PeftJson
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 2, NewLine = "\n" };

    public static JsonNode Real(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        return JsonNode.Parse(text.AsSpan().IndexOfAny(".E") < 0 ? text + ".0" : text)!;
    }

    public static JsonArray? List(IReadOnlyList<string>? values) => values is null ? null : [.. values.Select(v => (JsonNode)v)];

    /// <summary>The keys in alphabetical order; nested objects keep theirs.</summary>
    public static string Sorted(JsonObject fields) =>
        new JsonObject(fields.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => KeyValuePair.Create(f.Key, f.Value?.DeepClone()))).ToJsonString(Indented);
}
