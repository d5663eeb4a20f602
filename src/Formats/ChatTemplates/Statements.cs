using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A part of a template.</summary>
internal abstract class Statement(int line)
{
    public int Line => line;

    public Flow Execute(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        run.Enter(line);
        Flow flow = Act(run, scope, output);
        run.Leave();
        return flow;
    }

    protected abstract Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output);
}

/// <summary>Statements in order.</summary>
internal sealed class Block(int line, List<Statement> statements) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        foreach (Statement statement in statements)
            if (statement.Execute(run, scope, output) is var flow and not Flow.Next)
                return flow;
        return Flow.Next;
    }
}

/// <summary>Text between tags.</summary>
internal sealed class DataStatement(int line, string text) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        run.Write(output, text, Line);
        return Flow.Next;
    }
}

/// <summary><c>{{ a }}</c></summary>
internal sealed class PrintStatement(int line, Expression value) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        run.Write(output, TemplateValues.Text(run, Line, value.Evaluate(run, scope)), Line);
        return Flow.Next;
    }
}

/// <summary><c>{% if %}</c> with its <c>elif</c> and <c>else</c>; the last branch may have no test.</summary>
internal sealed class IfStatement(int line, List<(Expression? Test, Block Body)> branches) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        foreach ((Expression? test, Block body) in branches)
            if (test is null || TemplateValues.IsTrue(test.Evaluate(run, scope)))
                return body.Execute(run, scope, output);
        return Flow.Next;
    }
}

/// <summary><c>{% for %}</c>; every round has its own scope.</summary>
internal sealed class ForStatement(int line, List<string> targets, Expression source, Expression? filter, Block body, Block? otherwise) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        List<object?> items = TemplateValues.Iterate(run, Line, source.Evaluate(run, scope));
        if (filter is not null)
            items = items.FindAll(item => TemplateValues.IsTrue(filter.Evaluate(run, Round(run, scope, item))));
        if (items.Count == 0 && otherwise is not null)
            return otherwise.Execute(run, scope, output);
        for (int i = 0; i < items.Count; i++)
        {
            TemplateScope round = Round(run, scope, items[i]);
            round["loop"] = Loop(run, items, i);
            if (body.Execute(run, round, output) == Flow.Break)
                break;
        }
        return Flow.Next;
    }

    private TemplateScope Round(TemplateRun run, TemplateScope scope, object? item)
    {
        var round = new TemplateScope(scope);
        Assignment.Set(run, Line, round, targets, item);
        return round;
    }

    private TemplateMap Loop(TemplateRun run, List<object?> items, int i)
    {
        run.Charge(Line, 100);
        return new TemplateMap
        {
            ["index0"] = (long)i,
            ["index"] = i + 1L,
            ["revindex0"] = items.Count - 1L - i,
            ["revindex"] = (long)items.Count - i,
            ["first"] = i == 0,
            ["last"] = i == items.Count - 1,
            ["length"] = (long)items.Count,
            ["previtem"] = i > 0 ? items[i - 1] : new Undefined("loop.previtem"),
            ["nextitem"] = i + 1 < items.Count ? items[i + 1] : new Undefined("loop.nextitem"),
        };
    }
}

/// <summary>Binds names, where several take the members of a list.</summary>
internal static class Assignment
{
    public static void Set(TemplateRun run, int line, TemplateScope scope, List<string> targets, object? value)
    {
        if (targets.Count == 1)
        {
            scope[targets[0]] = value;
            return;
        }
        if (value is not List<object?> parts || parts.Count != targets.Count)
            throw run.Error(line, $"{targets.Count} names cannot be bound to {TemplateValues.Kind(value)}");
        for (int i = 0; i < parts.Count; i++)
            scope[targets[i]] = parts[i];
    }
}

/// <summary><c>{% set a = b %}</c> and <c>{% set a %}...{% endset %}</c>; <c>a</c> may be a member of a namespace.</summary>
internal sealed class SetStatement(int line, List<string> targets, string? member, Expression? value, Block? body) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        object? result = value is not null ? value.Evaluate(run, scope) : Captured.Text(run, scope, body!);
        if (member is null)
            Assignment.Set(run, Line, scope, targets, result);
        else if (scope.Find(targets[0]) is TemplateNamespace space)
            space.Members[member] = result;
        else
            throw run.Error(Line, $"{Echo.Quote(targets[0])} is not a namespace, so its members cannot be set");
        return Flow.Next;
    }
}

/// <summary><c>{% macro f(a, b=c) %}</c></summary>
internal sealed class MacroStatement(int line, string name, List<(string Name, Expression? Default)> parameters, Block body) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output)
    {
        scope[name] = new TemplateFunction(call => Call(call, scope));
        return Flow.Next;
    }

    private string Call(CallValues call, TemplateScope outer)
    {
        call.Allow(parameters.Count, parameters.Select(p => p.Name).ToArray());
        var scope = new TemplateScope(outer);
        for (int i = 0; i < parameters.Count; i++)
        {
            (string parameter, Expression? absent) = parameters[i];
            bool given = i < call.Positional.Count || call.Named.ContainsKey(parameter);
            scope[parameter] = given ? call.Argument(i, parameter, null) : absent is null ? new Undefined(parameter) : absent.Evaluate(call.Run, scope);
        }
        return Captured.Text(call.Run, scope, body);
    }
}

/// <summary>What a block writes, as a value.</summary>
internal static class Captured
{
    public static string Text(TemplateRun run, TemplateScope scope, Block body)
    {
        var text = new StringBuilder();
        body.Execute(run, scope, text);
        return text.ToString();
    }
}

/// <summary><c>{% break %}</c> and <c>{% continue %}</c></summary>
internal sealed class JumpStatement(int line, Flow flow) : Statement(line)
{
    protected override Flow Act(TemplateRun run, TemplateScope scope, StringBuilder output) => flow;
}
