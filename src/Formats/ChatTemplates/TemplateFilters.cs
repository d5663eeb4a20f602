using System.Globalization;
using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>The filters behind <c>|</c>.</summary>
internal static class TemplateFilters
{
    public static object? Apply(string name, object? value, CallValues call)
    {
        (TemplateRun run, int line) = (call.Run, call.Line);
        List<object?> Items() => TemplateValues.Iterate(run, line, value);
        string Text()
        {
            string text = TemplateValues.Text(run, line, value);
            run.Charge(line, text.Length);
            return text;
        }
        switch (name)
        {
            case "trim":
                return PythonText.Strip(Text(), call.Allow(1, "chars").OptionalText(0, "chars"));
            case "length" or "count":
                return Length(call.Allow(0), value);
            case "upper":
                return Text().ToUpperInvariant();
            case "lower":
                return Text().ToLowerInvariant();
            case "title":
                return PythonText.Title(Text());
            case "capitalize":
                return PythonText.Capitalize(Text());
            case "string" or "safe":
                return Text();
            case "replace":
                return TemplateMethods.Replace(call.Allow(2), Text(), call.Text(0), call.Text(1));
            case "indent":
                return Indent(call.Allow(3, "width", "first", "blank"), Text());
            case "join":
                return Join(call.Allow(2, "d", "attribute"), Pick(Items(), call.OptionalText(1, "attribute")), call.OptionalText(0, "d") ?? "");
            case "tojson":
                return TemplateJson.Write(call.Allow(0, "indent", "ensure_ascii"), value);
            case "default" or "d":
                call.Allow(2, "default_value", "boolean");
                bool replaces = value is Undefined || (TemplateValues.IsTrue(call.Argument(1, "boolean", false)) && !TemplateValues.IsTrue(value));
                return replaces ? call.Argument(0, "default_value", "") : value;
            case "first":
                return Items() is [var first, ..] ? first : new Undefined("the first of nothing");
            case "last":
                return Items() is [.., var last] ? last : new Undefined("the last of nothing");
            case "list":
                List<object?> copy = [.. Items()];
                run.ChargeList(line, copy.Count);
                return copy;
            case "reverse":
                List<object?> reversed = [.. Items()];
                run.ChargeList(line, reversed.Count);
                reversed.Reverse();
                return value is string ? string.Concat(reversed) : reversed;
            case "items":
                return value is Undefined ? new List<object?>() : TemplateMethods.Call(value, "items", call);
            case "int":
                return ToInteger(call.Allow(1, "default"), value);
            case "map":
                return Map(call, Items());
            case "select" or "reject":
                return Select(call, Items(), attribute: null, 0, keep: name == "select");
            case "selectattr" or "rejectattr":
                return Select(call, Items(), call.Text(0), 1, keep: name == "selectattr");
            default:
                throw run.Unsupported(line, $"the filter {Echo.Quote(name)}");
        }
    }

    public static string Join(CallValues call, List<object?> items, string separator)
    {
        var text = new StringBuilder();
        for (int i = 0; i < items.Count; i++)
        {
            string item = TemplateValues.Text(call.Run, call.Line, items[i]);
            call.Run.Charge(call.Line, 1L + separator.Length + item.Length);
            text.Append(i > 0 ? separator : "").Append(item);
        }
        return text.ToString();
    }

    private static long Length(CallValues call, object? value) => value switch
    {
        string s => PythonText.Length(s),
        List<object?> list => list.Count,
        TemplateMap map => map.Count,
        Undefined => 0,
        _ => throw call.Run.Error(call.Line, $"{TemplateValues.Kind(value)} has no length"),
    };

    private static object? ToInteger(CallValues call, object? value) => value switch
    {
        long or bool => call.Integer(int.MaxValue, "", value is true ? 1 : value as long? ?? 0),
        double d when Math.Abs(d) < 9e18 => (long)d,
        string s when long.TryParse(s.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long n) => n,
        _ => call.Argument(0, "default", 0L),
    };

    private static string Indent(CallValues call, string text)
    {
        string margin = new(' ', (int)Math.Clamp(call.Integer(0, "width", 4), 0, 1000));
        bool first = TemplateValues.IsTrue(call.Argument(1, "first", false)), blank = TemplateValues.IsTrue(call.Argument(2, "blank", false));
        call.Run.Charge(call.Line, (text.AsSpan().Count('\n') + 1L) * (margin.Length + 16));
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
            if (i == 0 ? first : blank || lines[i].Length > 0)
                lines[i] = margin + lines[i];
        return string.Join('\n', lines);
    }

    private static List<object?> Pick(List<object?> items, string? attribute) =>
        attribute is null ? items : items.ConvertAll(item => Attribute(item, attribute));

    private static object? Attribute(object? item, string name) =>
        item is TemplateMap map && map.TryGetValue(name, out object? value) ? value : new Undefined(name);

    private static List<object?> Map(CallValues call, List<object?> items)
    {
        call.Run.ChargeList(call.Line, items.Count);
        if (call.Positional.Count == 0)
            return Pick(items, call.Allow(0, "attribute").Text(0, "attribute"));
        string filter = call.Text(0);
        CallValues inner = call with { Callee = $"the filter {filter}", Positional = call.Positional[1..] };
        return items.ConvertAll(item => Apply(filter, item, inner));
    }

    private static List<object?> Select(CallValues call, List<object?> items, string? attribute, int testAt, bool keep)
    {
        call.Run.ChargeList(call.Line, items.Count);
        string? test = call.OptionalText(testAt);
        CallValues inner = call with { Callee = $"the test {test}", Positional = call.Positional[Math.Min(testAt + 1, call.Positional.Count)..] };
        return items.FindAll(item =>
        {
            object? value = attribute is null ? item : Attribute(item, attribute);
            return (test is null ? TemplateValues.IsTrue(value) : TemplateTests.Holds(test, value, inner)) == keep;
        });
    }
}
