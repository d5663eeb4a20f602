namespace Marrow.Formats.ChatTemplates;

/// <summary>The tests behind <c>is</c>.</summary>
internal static class TemplateTests
{
    public static bool Holds(string name, object? value, CallValues call)
    {
        (TemplateRun run, int line) = (call.Run, call.Line);
        object? Other() => call.Allow(1).Positional.Count == 1 ? call.Positional[0] : throw run.Error(line, $"{call.Callee} needs an argument");
        long Whole() => value as long? ?? throw run.Error(line, $"{call.Callee} needs an integer, not {TemplateValues.Kind(value)}");
        return name switch
        {
            "defined" => value is not Undefined,
            "undefined" => value is Undefined,
            "none" => value is null,
            "string" => value is string,
            "mapping" => value is TemplateMap,
            "iterable" or "sequence" => value is string or List<object?> or TemplateMap or Undefined,
            "number" => value is long or double or bool,
            "integer" => value is long,
            "float" => value is double,
            "boolean" => value is bool,
            "true" => value is true,
            "false" => value is false,
            "callable" => value is TemplateFunction,
            "odd" => Whole() % 2 != 0,
            "even" => Whole() % 2 == 0,
            "divisibleby" => Equals(TemplateValues.Arithmetic(run, line, "%", Whole(), Other()), 0L),
            "eq" or "equalto" or "==" => TemplateValues.AreEqual(run, line, value, Other()),
            "ne" or "!=" => !TemplateValues.AreEqual(run, line, value, Other()),
            "in" => TemplateValues.Contains(run, line, Other(), value),
            "gt" or "greaterthan" or ">" => TemplateValues.Compare(run, line, value, Other()) > 0,
            "lt" or "lessthan" or "<" => TemplateValues.Compare(run, line, value, Other()) < 0,
            "ge" or ">=" => TemplateValues.Compare(run, line, value, Other()) >= 0,
            "le" or "<=" => TemplateValues.Compare(run, line, value, Other()) <= 0,
            _ => throw run.Unsupported(line, $"the test {Echo.Quote(name)}"),
        };
    }
}
