using Marrow.Adapters.Targets;
using System.Globalization;
using System.Text.RegularExpressions;
using Marrow.Formats;
using Marrow.Host.Jobs.Yaml;

namespace Marrow.Host.Jobs;

/// <summary>Reads the value of one key, strictly: the type and range that the key describes, nothing converted in silence.</summary>
internal sealed class KeyReader(JobKey key, JobProblems problems)
{
    /// <summary>The value for the key's property; false, with a problem noted, when there is none.</summary>
    public bool TryRead(YamlNode node, out object? value)
    {
        value = null;
        if (node is YamlScalar { IsNull: true })
            return key.MayBeNull || Wrong(node, "a value", "is empty");
        value = key.Type switch
        {
            Type t when t == typeof(string) => Text(node),
            Type t when t == typeof(bool) => Flag(node),
            Type t when t == typeof(int) => Whole(node),
            Type t when t == typeof(double) => Number(node),
            Type t when t == typeof(ModulePattern) => Pattern(node),
            Type t when t == typeof(IReadOnlyList<string>) => Items(node, NonEmpty),
            Type t when t == typeof(IReadOnlyList<int>) => Items(node, n => Whole(n) as int?)?.Select(i => i!.Value).ToArray(),
            Type t when t == typeof(IReadOnlyList<double>) => Items(node, n => Number(n) as double?)?.Select(i => i!.Value).ToArray(),
            _ => throw new InvalidOperationException($"{key.Path}: a key cannot have type {key.Type}"),
        };
        return value is not null;
    }

    private string? Text(YamlNode node)
    {
        if (NonEmpty(node) is not { } text)
            return null;
        if (key.Key.Choices is { Length: > 0 } choices && !choices.Contains(text))
        {
            string hint = NearNames.Of(text, choices, 1) is [var near] ? $"; did you mean {near}?" : "";
            problems.Add("JB007", node.Place, key.Path, $"must be {Or(choices)}, not '{Echo.Name(text)}'{hint}");
            return null;
        }
        if (key.Key.Pattern is { } pattern && Regex.Match(text, pattern, RegexOptions.CultureInvariant).Value != text)
        {
            problems.Add("JB007", node.Place, key.Path, $"must be {key.Key.PatternText}, not '{Echo.Name(text)}'");
            return null;
        }
        return text;
    }

    private string? NonEmpty(YamlNode node)
    {
        if (node is not YamlScalar scalar)
            Wrong(node, "text");
        else if (string.IsNullOrWhiteSpace(scalar.Text) || scalar.Text.Contains('\0', StringComparison.Ordinal))
            Wrong(node, "text", "is empty or holds a zero character");
        else
            return scalar.Text;
        return null;
    }

    private object? Flag(YamlNode node)
    {
        if (node is YamlScalar { Quoted: false } scalar && bool.TryParse(scalar.Text, out bool flag))
            return flag;
        Wrong(node, "true or false");
        return null;
    }

    private object? Whole(YamlNode node)
    {
        const NumberStyles style = NumberStyles.AllowLeadingSign;
        if (node is not YamlScalar { Quoted: false } scalar || !Int128.TryParse(scalar.Text, style, CultureInfo.InvariantCulture, out Int128 whole))
            Wrong(node, "a whole number");
        else if (whole < int.MinValue || whole > int.MaxValue || !key.InRange((double)whole))
            OutOfRange(node, whole > int.MaxValue && double.IsInfinity(key.Key.Max) ? $"at most {int.MaxValue}" : key.RangeText, scalar.Text);
        else
            return (int)whole;
        return null;
    }

    private object? Number(YamlNode node)
    {
        const NumberStyles style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (node is not YamlScalar { Quoted: false } scalar || !double.TryParse(scalar.Text, style, CultureInfo.InvariantCulture, out double number) || double.IsNaN(number))
            Wrong(node, "a number");
        else if (double.IsInfinity(number) || !key.InRange(number))
            OutOfRange(node, key.RangeText, scalar.Text);
        else
            return number;
        return null;
    }

    private ModulePattern? Pattern(YamlNode node)
    {
        if (node is YamlList)
            return Items(node, NonEmpty) is { } names ? new ModulePattern([.. names.OfType<string>()]) : null;
        if (node is not YamlScalar)
        {
            Wrong(node, "a list of names, a regular expression or all-linear");
            return null;
        }
        if (NonEmpty(node) is not { } text)
            return null;
        try
        {
            _ = new Regex(text, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
            return new ModulePattern(text);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            problems.Add("JB007", node.Place, key.Path, $"'{Echo.Name(text)}' is not a regular expression that can be used: {Echo.Name(e.Message, 200)}");
            return null;
        }
    }

    /// <summary>A list read item by item; one item may stand without brackets, as in PEFT.</summary>
    private List<T?>? Items<T>(YamlNode node, Func<YamlNode, T?> read)
    {
        IReadOnlyList<YamlNode> nodes = node switch
        {
            YamlList list => list.Items,
            YamlScalar when key.Key.Length == 0 => [node],
            _ => [],
        };
        if (nodes.Count == 0 || (key.Key.Length > 0 && nodes.Count != key.Key.Length))
        {
            Wrong(node, key.Key.Length > 0 ? $"a list of {key.Key.Length}" : "a list with at least one item", node is YamlList ? $"has {nodes.Count} items" : null);
            return null;
        }
        List<T?> items = [.. nodes.Select(read)];
        return items.Contains(default) ? null : items;
    }

    private void OutOfRange(YamlNode node, string allowed, string given) =>
        problems.Add("JB007", node.Place, key.Path, $"must be {allowed}, not {Echo.Name(given)}");

    private bool Wrong(YamlNode node, string wanted, string? given = null)
    {
        given ??= node switch
        {
            YamlScalar { Quoted: true } s => $"is the text '{Echo.Name(s.Text)}' in quotes",
            YamlScalar s => $"is '{Echo.Name(s.Text)}'",
            YamlList => "is a list",
            _ => "is a mapping",
        };
        problems.Add("JB006", node.Place, key.Path, $"must be {wanted}, but {given}");
        return false;
    }

    private static string Or(string[] choices) =>
        choices.Length == 1 ? choices[0] : $"{string.Join(", ", choices[..^1])} or {choices[^1]}";
}
