using System.Globalization;
using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>The functions that every template can call.</summary>
internal static class TemplateFunctions
{
    private const int LongestRange = 100_000;

    public static void AddTo(TemplateScope scope)
    {
        scope["raise_exception"] = new TemplateFunction(call =>
            throw call.Run.Raised(call.Line, Echo.Quote(TemplateValues.Text(call.Run, call.Line, call.Allow(1, "message").Argument(0, "message", "no reason given")))));
        scope["namespace"] = new TemplateFunction(Namespace);
        scope["dict"] = new TemplateFunction(Map);
        scope["range"] = new TemplateFunction(Range);
        scope["strftime_now"] = new TemplateFunction(Now);
    }

    private static TemplateNamespace Namespace(CallValues call)
    {
        var space = new TemplateNamespace();
        if (call.Positional.Count > 0)
            throw call.Run.Unsupported(call.Line, "namespace() of a mapping");
        foreach ((string name, object? value) in call.Named)
            space.Members[name] = value;
        return space;
    }

    private static TemplateMap Map(CallValues call)
    {
        var map = new TemplateMap();
        if (call.Positional.Count > 0)
            throw call.Run.Unsupported(call.Line, "dict() of a mapping");
        foreach ((string name, object? value) in call.Named)
            map[name] = value;
        return map;
    }

    private static List<object?> Range(CallValues call)
    {
        call.Allow(3);
        bool from = call.Positional.Count > 1;
        long start = from ? call.Integer(0, "", 0) : 0, stop = call.Integer(from ? 1 : 0, "", 0), step = call.Integer(2, "", 1);
        if (step == 0)
            throw call.Run.Error(call.Line, "range() needs a step that is not 0");
        var numbers = new List<object?>();
        for (Int128 i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            if (numbers.Count == LongestRange)
                throw call.Run.Error(call.Line, $"range() goes over {LongestRange} numbers");
            call.Run.ChargeList(call.Line, 1);
            numbers.Add((long)i);
        }
        return numbers;
    }

    private static string Now(CallValues call)
    {
        string format = call.Allow(1, "format").Text(0, "format");
        DateTimeOffset now = call.Run.Clock.GetLocalNow();
        var text = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }
            char code = ++i < format.Length ? format[i] : ' ';
            text.Append(code switch
            {
                'Y' => Digits(now.Year, 4),
                'y' => Digits(now.Year % 100, 2),
                'm' => Digits(now.Month, 2),
                'd' => Digits(now.Day, 2),
                'H' => Digits(now.Hour, 2),
                'I' => Digits(((now.Hour + 11) % 12) + 1, 2),
                'M' => Digits(now.Minute, 2),
                'S' => Digits(now.Second, 2),
                'j' => Digits(now.DayOfYear, 3),
                'b' => now.ToString("MMM", CultureInfo.InvariantCulture),
                'B' => now.ToString("MMMM", CultureInfo.InvariantCulture),
                'a' => now.ToString("ddd", CultureInfo.InvariantCulture),
                'A' => now.ToString("dddd", CultureInfo.InvariantCulture),
                'p' => now.Hour < 12 ? "AM" : "PM",
                '%' => "%",
                _ => throw call.Run.Unsupported(call.Line, $"%{Echo.Name(code.ToString())} in strftime_now()"),
            });
        }
        return text.ToString();
    }

    private static string Digits(int value, int count) => value.ToString(CultureInfo.InvariantCulture).PadLeft(count, '0');
}
