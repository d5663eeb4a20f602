namespace Marrow.Formats.ChatTemplates;

/// <summary>What can be called by name: the functions that are given, and macros.</summary>
internal delegate object? TemplateFunction(CallValues call);

/// <summary>Arguments as they are written.</summary>
internal sealed record CallArguments(List<Expression> Positional, List<(string Name, Expression Value)> Named)
{
    public static CallArguments None { get; } = new([], []);

    public CallValues Evaluate(TemplateRun run, TemplateScope scope, int line, string callee)
    {
        var named = new Dictionary<string, object?>();
        List<object?> positional = Positional.ConvertAll(a => a.Evaluate(run, scope));
        foreach ((string name, Expression value) in Named)
            named[name] = value.Evaluate(run, scope);
        return new CallValues(run, line, callee, positional, named);
    }
}

/// <summary>Arguments as they arrive, with what an error needs to say.</summary>
internal sealed record CallValues(TemplateRun Run, int Line, string Callee, List<object?> Positional, Dictionary<string, object?> Named)
{
    /// <summary>Refuses arguments that the callee does not take.</summary>
    public CallValues Allow(int positional, params ReadOnlySpan<string> names)
    {
        if (Positional.Count > positional)
            throw Run.Unsupported(Line, $"{Callee} with {Positional.Count} arguments");
        foreach (string name in Named.Keys)
            if (!names.Contains(name))
                throw Run.Unsupported(Line, $"{Callee} with the argument {Echo.Quote(name)}");
        return this;
    }

    public object? Argument(int position, string name, object? absent) =>
        position < Positional.Count ? Positional[position] : Named.GetValueOrDefault(name, absent);

    public string Text(int position, string name = "") =>
        Argument(position, name, null) as string ?? throw Run.Error(Line, $"{Callee} needs a string as argument {position + 1}");

    public string? OptionalText(int position, string name = "") => Argument(position, name, null) is null ? null : Text(position, name);

    public long Integer(int position, string name, long absent) => Argument(position, name, absent) switch
    {
        long n => n,
        bool b => b ? 1 : 0,
        _ => throw Run.Error(Line, $"{Callee} needs an integer as argument {position + 1}"),
    };
}
