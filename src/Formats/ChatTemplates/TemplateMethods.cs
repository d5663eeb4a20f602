namespace Marrow.Formats.ChatTemplates;

/// <summary>The methods of strings and mappings.</summary>
internal static class TemplateMethods
{
    public static object? Call(object? self, string name, CallValues call) => self switch
    {
        string text => OfText(text, name, call),
        TemplateMap map => OfMap(map, name, call),
        TemplateNamespace space when space.Members.GetValueOrDefault(name) is TemplateFunction function => function(call),
        Undefined => throw call.Run.Error(call.Line, $"cannot call {call.Callee} of {TemplateValues.Kind(self)}"),
        _ => throw Unknown(self, call),
    };

    private static object? OfText(string text, string name, CallValues call)
    {
        call.Run.Charge(call.Line, text.Length);
        return name switch
        {
            "startswith" => AnyOf(call, text, static (text, part) => text.StartsWith(part, StringComparison.Ordinal)),
            "endswith" => AnyOf(call, text, static (text, part) => text.EndsWith(part, StringComparison.Ordinal)),
            "strip" => PythonText.Strip(text, call.Allow(1).OptionalText(0)),
            "lstrip" => PythonText.StripStart(text, call.Allow(1).OptionalText(0)),
            "rstrip" => PythonText.StripEnd(text, call.Allow(1).OptionalText(0)),
            "upper" => Plain(call, text.ToUpperInvariant()),
            "lower" => Plain(call, text.ToLowerInvariant()),
            "title" => Plain(call, PythonText.Title(text)),
            "capitalize" => Plain(call, PythonText.Capitalize(text)),
            "replace" => Replace(call.Allow(2), text, call.Text(0), call.Text(1)),
            "split" => Split(call.Allow(2, "sep", "maxsplit"), text),
            "join" => TemplateFilters.Join(call, TemplateValues.Iterate(call.Run, call.Line, call.Allow(1).Argument(0, "", new Undefined("the list to join"))), text),
            _ => throw Unknown(text, call),
        };
    }

    private static object? OfMap(TemplateMap map, string name, CallValues call)
    {
        call.Run.ChargeList(call.Line, map.Count);
        switch (name)
        {
            case "get":
                return map.TryGetValue(call.Allow(2).Text(0), out object? value) ? value : call.Argument(1, "", null);
            case "items":
                call.Allow(0);
                return map.Select(object? (p) => new List<object?> { p.Key, p.Value }).ToList();
            case "keys":
                call.Allow(0);
                return map.Keys.ToList<object?>();
            case "values":
                call.Allow(0);
                return map.Values.ToList();
            default:
                return map.GetValueOrDefault(name) is TemplateFunction function ? function(call) : throw Unknown(map, call);
        }
    }

    public static string Replace(CallValues call, string text, string old, string with)
    {
        call.Run.ChargeSearch(call.Line, text, old);
        if (old.Length == 0)
            throw call.Run.Unsupported(call.Line, "replacing an empty string");
        if (with.Length > old.Length)
            call.Run.Charge(call.Line, (long)text.Length / old.Length * with.Length);
        return text.Replace(old, with, StringComparison.Ordinal);
    }

    private static object Plain(CallValues call, string text)
    {
        call.Allow(0);
        return text;
    }

    private static object AnyOf(CallValues call, string text, Func<string, string, bool> holds)
    {
        if (call.Allow(1).Argument(0, "", null) is not List<object?> parts)
            return holds(text, call.Text(0));
        call.Run.Charge(call.Line, parts.Count * (text.Length + 1L));
        return parts.Exists(part => holds(text, part as string ?? throw call.Run.Error(call.Line, $"{call.Callee} needs strings")));
    }

    private static List<object?> Split(CallValues call, string text)
    {
        long most = call.Integer(1, "maxsplit", -1);
        if (call.OptionalText(0, "sep") is not { } separator)
        {
            call.Run.ChargeList(call.Line, text.Length / 2);
            return most < 0 ? PythonText.Words(text) : throw call.Run.Unsupported(call.Line, "split() at white space with a limit");
        }
        if (separator.Length == 0)
            throw call.Run.Error(call.Line, "split() needs a separator that is not empty");
        call.Run.ChargeSearch(call.Line, text, separator);
        call.Run.ChargeList(call.Line, text.AsSpan().Count(separator));
        return [.. text.Split(separator, most is < 0 or >= int.MaxValue ? int.MaxValue : (int)most + 1)];
    }

    private static MarrowException Unknown(object? self, CallValues call) =>
        call.Run.Unsupported(call.Line, $"the method {Echo.Quote(call.Callee)} of {TemplateValues.Kind(self)}");
}
