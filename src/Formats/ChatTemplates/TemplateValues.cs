using System.Globalization;
using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>A name or member that does not exist.</summary>
internal sealed record Undefined(string Name);

/// <summary>A dictionary with text keys, in the order they were given.</summary>
internal sealed class TemplateMap : OrderedDictionary<string, object?>;

/// <summary>What <c>namespace(...)</c> makes: the one kind of value that a template can change.</summary>
internal sealed class TemplateNamespace
{
    public Dictionary<string, object?> Members { get; } = [];
}

/// <summary>
/// The values of the template language: null (none), <see cref="Undefined"/>, bool, long, double, string,
/// List of values, <see cref="TemplateMap"/>, <see cref="TemplateNamespace"/>, functions and macros.
/// </summary>
internal static class TemplateValues
{
    private const int DeepestCompare = 64;

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool b => b,
        long n => n != 0,
        double d => d != 0,
        string s => s.Length > 0,
        List<object?> list => list.Count > 0,
        TemplateMap map => map.Count > 0,
        _ => true,
    };

    /// <summary>The name of a value's kind, for messages.</summary>
    public static string Kind(object? value) => value switch
    {
        null => "none",
        Undefined u => Echo.Quote(u.Name) + ", which is undefined",
        bool => "a boolean",
        long or double => "a number",
        string => "a string",
        List<object?> => "a list",
        TemplateMap => "a mapping",
        TemplateNamespace => "a namespace",
        _ => "a function",
    };

    public static string Text(TemplateRun run, int line, object? value) => value switch
    {
        string s => s,
        Undefined => "",
        null => "None",
        bool b => b ? "True" : "False",
        long n => n.ToString(CultureInfo.InvariantCulture),
        double d => FloatText(d),
        _ => throw run.Unsupported(line, $"writing {Kind(value)} as text (use tojson)"),
    };

    public static string FloatText(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        return double.IsFinite(value) && text.AsSpan().IndexOfAny('.', 'E') < 0 ? text + ".0" : text;
    }

    public static bool AreEqual(TemplateRun run, int line, object? a, object? b, int depth = 0)
    {
        run.Charge(line, 1);
        if (depth > DeepestCompare)
            throw run.Error(line, "values are nested too deep to compare");
        switch (a, b)
        {
            case (string x, string y):
                run.Charge(line, Math.Min(x.Length, y.Length));
                return x == y;
            case (List<object?> x, List<object?> y):
                if (x.Count != y.Count)
                    return false;
                for (int i = 0; i < x.Count; i++)
                    if (!AreEqual(run, line, x[i], y[i], depth + 1))
                        return false;
                return true;
            case (TemplateMap x, TemplateMap y):
                if (x.Count != y.Count)
                    return false;
                foreach ((string key, object? value) in x)
                    if (!y.TryGetValue(key, out object? other) || !AreEqual(run, line, value, other, depth + 1))
                        return false;
                return true;
            case (null, null) or (Undefined, Undefined):
                return true;
        }
        return TryNumber(a, out double m) && TryNumber(b, out double n) ? (a is double || b is double ? m == n : Integer(a) == Integer(b)) : ReferenceEquals(a, b);
    }

    public static int Compare(TemplateRun run, int line, object? a, object? b)
    {
        if (a is string x && b is string y)
        {
            run.Charge(line, Math.Min(x.Length, y.Length));
            return string.CompareOrdinal(x, y);
        }
        if (TryNumber(a, out double m) && TryNumber(b, out double n))
            return a is double || b is double ? m.CompareTo(n) : Integer(a).CompareTo(Integer(b));
        throw run.Error(line, $"cannot order {Kind(a)} and {Kind(b)}");
    }

    public static bool Contains(TemplateRun run, int line, object? container, object? item)
    {
        switch (container)
        {
            case string text when item is string sought:
                run.ChargeSearch(line, text, sought);
                return text.Contains(sought, StringComparison.Ordinal);
            case List<object?> list:
                foreach (object? member in list)
                    if (AreEqual(run, line, member, item))
                        return true;
                return false;
            case TemplateMap map:
                return item is string key && map.ContainsKey(key);
            case Undefined:
                return false;
            default:
                throw run.Error(line, $"cannot look for {Kind(item)} in {Kind(container)}");
        }
    }

    /// <summary>What a loop over the value runs through.</summary>
    public static List<object?> Iterate(TemplateRun run, int line, object? value)
    {
        switch (value)
        {
            case List<object?> list:
                return list;
            case TemplateMap map:
                run.ChargeList(line, map.Count);
                return [.. map.Keys];
            case string text:
                run.ChargeList(line, text.Length);
                return PythonText.Characters(text);
            case Undefined:
                return [];
            default:
                throw run.Error(line, $"cannot loop over {Kind(value)}");
        }
    }

    public static object? Add(TemplateRun run, int line, object? a, object? b)
    {
        switch (a, b)
        {
            case (string x, string y):
                run.Charge(line, x.Length + y.Length);
                return x + y;
            case (List<object?> x, List<object?> y):
                run.ChargeList(line, x.Count + y.Count);
                return new List<object?>([.. x, .. y]);
            default:
                return Arithmetic(run, line, "+", a, b);
        }
    }

    public static object Arithmetic(TemplateRun run, int line, string op, object? a, object? b)
    {
        if (op == "*" && a is string text && b is long times)
        {
            run.Charge(line, Math.Max(0, Math.Min(times, int.MaxValue)) * text.Length);
            return new StringBuilder().Insert(0, text, (int)Math.Max(0, times)).ToString();
        }
        if (!TryNumber(a, out double x) || !TryNumber(b, out double y))
            throw run.Error(line, $"cannot compute {Kind(a)} {op} {Kind(b)}");
        if (op is ("/" or "//" or "%") && y == 0)
            throw run.Error(line, "division by zero");
        if (op != "/" && a is not double && b is not double)
            return Whole(run, line, op, Integer(a), Integer(b));
        return op switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "//" => Math.Floor(x / y),
            _ => x - (y * Math.Floor(x / y)),
        };
    }

    private static object Whole(TemplateRun run, int line, string op, long x, long y)
    {
        try
        {
            checked
            {
                long quotient() => (x / y) - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0);
                return op switch
                {
                    "+" => x + y,
                    "-" => x - y,
                    "*" => x * y,
                    "//" => quotient(),
                    _ => x - (quotient() * y),
                };
            }
        }
        catch (OverflowException)
        {
            throw run.Error(line, "the integer does not fit 64 bits");
        }
    }

    private static long Integer(object? value) => value is bool b ? (b ? 1 : 0) : (long)value!;

    private static bool TryNumber(object? value, out double number)
    {
        number = value switch { long n => n, double d => d, bool b => b ? 1 : 0, _ => double.NaN };
        return value is long or double or bool;
    }
}
