using Marrow.Adapters.Targets;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Marrow.Host.Jobs;

/// <summary>Writes a job with every default filled in, keys in a fixed order; reading it back gives the same job.</summary>
public static partial class ResolvedJob
{
    /// <summary>The YAML text of <paramref name="job"/>. Keys that its method does not have are left out.</summary>
    public static string ToYaml(JobSpec job)
    {
        var text = new StringBuilder($"schema: {JobSpec.Schema}\n");
        foreach (JobSection section in JobKeys.Sections)
        {
            text.Append(section.Name).Append(":\n");
            foreach ((JobKey key, object? value) in Values(job, section))
                text.Append("  ").Append(key.Name).Append(": ").Append(Value(value, key)).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>The same as a JSON object.</summary>
    public static JsonObject ToJson(JobSpec job)
    {
        var document = new JsonObject { ["schema"] = JobSpec.Schema };
        foreach (JobSection section in JobKeys.Sections)
            document[section.Name] = new JsonObject(Values(job, section).Select(v => KeyValuePair.Create(v.Key.Name, JsonValue(v.Value, v.Key))));
        return document;
    }

    /// <summary>SHA-256 of every setting that a resumed run must share with the run it continues.</summary>
    public static string Identity(JobSpec job) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', JobKeys.Sections
        .SelectMany(section => Values(job, section)).Where(v => !v.Key.Key.MayChangeOnResume).Select(v => $"{v.Key.Path}: {Value(v.Value, v.Key)}")))));

    private static IEnumerable<(JobKey Key, object? Value)> Values(JobSpec job, JobSection section)
    {
        object values = section.Property.GetValue(job)!;
        return section.Keys.Where(k => k.AppliesTo(job.Adapter.Method)).Select(k => (k, k.Property.GetValue(values)));
    }

    /// <summary>One value as JSON; a choice that reads as true or false is one.</summary>
    internal static JsonNode? JsonValue(object? value, JobKey key) => value switch
    {
        "true" or "false" when key.Key.Choices.Length > 0 => (string)value == "true",
        string text => text,
        ModulePattern pattern => JsonSerializer.SerializeToNode(pattern.Text ?? (object?)pattern.Names),
        _ => JsonSerializer.SerializeToNode(value),
    };

    /// <summary>One value in the flow style of YAML.</summary>
    internal static string Value(object? value, JobKey key) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        double number => number.ToString("R", CultureInfo.InvariantCulture).Replace("E", "e", StringComparison.Ordinal),
        string text => key.Key.Choices.Contains(text) || Plain().IsMatch(text) ? text : JsonSerializer.Serialize(text, QuotedText),
        ModulePattern pattern => Value(pattern.Text ?? (object?)pattern.Names, key),
        IReadOnlyList<string> list => $"[{string.Join(", ", list.Select(v => Value(v, key)))}]",
        IReadOnlyList<double> list => $"[{string.Join(", ", list.Select(v => Value(v, key)))}]",
        IReadOnlyList<int> list => $"[{string.Join(", ", list.Select(v => Value(v, key)))}]",
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        _ => throw new InvalidOperationException($"{key.Path}: a key cannot have type {value.GetType()}"),
    };

    private static readonly JsonSerializerOptions QuotedText = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Text that YAML cannot take for anything but text; the rest is written in JSON's quotes, which YAML shares.</summary>
    [GeneratedRegex(@"\A(?!(null|true|false|yes|no|on|off|y|n)\z)([A-Za-z_/]|\.\.?/)[A-Za-z0-9_./-]*\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Plain();
}
