using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Marrow.Host.Jobs;

/// <summary>The JSON Schema of the job file for editors, generated from the table of keys that also validates.</summary>
public static class JobSchema
{
    private static readonly JsonSerializerOptions Layout = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The schema (draft 2020-12) as published in docs/schema/job-v1.schema.json.</summary>
    public static string Write()
    {
        var properties = new JsonObject { ["schema"] = new JsonObject { ["const"] = JobSpec.Schema, ["description"] = "Version of the job file." } };
        foreach (JobSection section in JobKeys.Sections)
            properties[section.Name] = Section(section);
        var schema = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "Marrow training job",
            ["type"] = "object",
            ["properties"] = properties,
            ["patternProperties"] = new JsonObject { ["^x-"] = new JsonObject { ["description"] = "Ignored: a place for YAML anchors." } },
            ["additionalProperties"] = false,
            ["required"] = Names(JobKeys.Sections.Where(s => s.Keys.Any(k => k.Key.Required)).Select(s => s.Name)),
        };
        return schema.ToJsonString(Layout) + "\n";
    }

    private static JsonObject Section(JobSection section)
    {
        var properties = new JsonObject();
        foreach (JobKey key in section.Keys)
            properties[key.Name] = Describe(key);
        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties, ["additionalProperties"] = false };
        if (section.Keys.Where(k => k.Key.Required).Select(k => k.Name).ToArray() is { Length: > 0 } required)
            schema["required"] = Names(required);
        else
            schema["type"] = Names(["object", "null"]);
        if (section.Find("method") is { } method)
            schema["allOf"] = new JsonArray([.. section.Keys.Where(k => k.Key.Methods.Length > 0)
                .GroupBy(k => string.Join(' ', k.Key.Methods)).Select(group => OnlyFor(method, group))]);
        return schema;
    }

    private static JsonObject Describe(JobKey key)
    {
        JsonObject schema = Shape(key);
        string only = key.Key.Methods.Length == 0 ? "" : $" (method {string.Join(", ", key.Key.Methods)})";
        schema["description"] = key.Key.About + only;
        if (!key.Key.Required)
            schema["default"] = ResolvedJob.JsonValue(key.Default, key);
        return schema;
    }

    private static JsonObject Shape(JobKey key)
    {
        if (key.Key.Choices.Length > 0)
            return new JsonObject { ["enum"] = new JsonArray([.. key.Key.Choices.Select(c => ResolvedJob.JsonValue(c, key))]) };
        string? element = key.Type == typeof(bool) ? "boolean" : key.Type == typeof(int) ? "integer" : key.Type == typeof(double) ? "number" : null;
        if (key.Type == typeof(string) || element is not null)
            return Scalar(element ?? "string", key, key.MayBeNull);
        string item = key.Type == typeof(IReadOnlyList<int>) ? "integer" : key.Type == typeof(IReadOnlyList<double>) ? "number" : "string";
        var list = new JsonObject { ["type"] = "array", ["items"] = Scalar(item, key, false), ["minItems"] = Math.Max(1, key.Key.Length) };
        if (key.Key.Length > 0)
        {
            list["maxItems"] = key.Key.Length;
            return list;
        }
        var forms = new JsonArray(list, Scalar(item, key, false));
        if (key.MayBeNull)
            forms.Add(new JsonObject { ["type"] = "null" });
        return new JsonObject { ["anyOf"] = forms };
    }

    private static JsonObject Scalar(string type, JobKey key, bool orNull)
    {
        var schema = new JsonObject { ["type"] = orNull ? Names([type, "null"]) : type };
        if (type == "string")
            schema["minLength"] = 1;
        if (key.Key.Pattern is { } pattern)
            schema["pattern"] = pattern;
        if (type is "integer" or "number" && !double.IsInfinity(key.Key.Min))
            schema[key.Key.AboveMin ? "exclusiveMinimum" : "minimum"] = key.Key.Min;
        if (type is "integer" or "number" && !double.IsInfinity(key.Key.Max))
            schema[key.Key.BelowMax ? "exclusiveMaximum" : "maximum"] = key.Key.Max;
        return schema;
    }

    /// <summary>Forbids keys where the method is one that does not have them. An absent method is the default one.</summary>
    private static JsonObject OnlyFor(JobKey method, IEnumerable<JobKey> keys)
    {
        JobKey[] group = [.. keys];
        string[] others = [.. method.Key.Choices.Except(group[0].Key.Methods)];
        var condition = new JsonObject { ["properties"] = new JsonObject { [method.Name] = new JsonObject { ["enum"] = Names(others) } } };
        if (!others.Contains(method.Default))
            condition["required"] = Names([method.Name]);
        var forbidden = new JsonObject();
        foreach (JobKey key in group)
            forbidden[key.Name] = key.MayBeNull ? new JsonObject { ["type"] = "null" } : false;
        return new JsonObject { ["if"] = condition, ["then"] = new JsonObject { ["properties"] = forbidden } };
    }

    private static JsonArray Names(IEnumerable<string> names) => new([.. names.Select(n => (JsonNode)n)]);
}
