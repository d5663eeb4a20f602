using System.Globalization;
using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>The <c>tojson</c> filter as transformers defines it: Python's json.dumps without ASCII or HTML escapes.</summary>
internal static class TemplateJson
{
    private const int Deepest = 64;

    public static string Write(CallValues call, object? value)
    {
        if (TemplateValues.IsTrue(call.Argument(1, "ensure_ascii", false)))
            throw call.Run.Unsupported(call.Line, "tojson(ensure_ascii=true)");
        bool indented = call.Argument(0, "indent", null) is not null;
        int indent = indented ? (int)Math.Clamp(call.Integer(0, "indent", 0), 0, 100) : -1;
        var text = new StringBuilder();
        Write(call, value, text, indent, 0);
        return text.ToString();
    }

    private static void Write(CallValues call, object? value, StringBuilder text, int indent, int depth)
    {
        call.Run.Charge(call.Line, 4 + (Math.Max(indent, 0) * (long)depth));
        if (depth > Deepest)
            throw call.Run.Error(call.Line, $"tojson goes at most {Deepest} deep");
        switch (value)
        {
            case null:
                text.Append("null");
                break;
            case bool b:
                text.Append(b ? "true" : "false");
                break;
            case long n:
                text.Append(n.ToString(CultureInfo.InvariantCulture));
                break;
            case double d:
                text.Append(TemplateValues.FloatText(d));
                break;
            case string s:
                Quote(call, s, text);
                break;
            case List<object?> list:
                WriteAll(text, indent, depth, '[', ']', list, item => Write(call, item, text, indent, depth + 1));
                break;
            case TemplateMap map:
                WriteAll(text, indent, depth, '{', '}', map, pair =>
                {
                    Quote(call, pair.Key, text);
                    text.Append(": ");
                    Write(call, pair.Value, text, indent, depth + 1);
                });
                break;
            default:
                throw call.Run.Error(call.Line, $"tojson cannot write {TemplateValues.Kind(value)}");
        }
    }

    private static void WriteAll<T>(StringBuilder text, int indent, int depth, char open, char close, IEnumerable<T> items, Action<T> write)
    {
        text.Append(open);
        int count = 0;
        foreach (T item in items)
        {
            if (count++ > 0)
                text.Append(indent < 0 ? ", " : ",");
            NewLine(depth + 1);
            write(item);
        }
        if (count > 0)
            NewLine(depth);
        text.Append(close);

        void NewLine(int level)
        {
            if (indent >= 0)
                text.Append('\n').Append(' ', indent * level);
        }
    }

    private static void Quote(CallValues call, string value, StringBuilder text)
    {
        call.Run.Charge(call.Line, 2L + value.Length);
        text.Append('"');
        foreach (char c in value)
        {
            string? escape = c switch { '"' => "\\\"", '\\' => "\\\\", '\n' => "\\n", '\r' => "\\r", '\t' => "\\t", '\b' => "\\b", '\f' => "\\f", _ => null };
            if (escape is not null)
                text.Append(escape);
            else if (c < ' ')
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                text.Append(c);
        }
        text.Append('"');
    }
}
