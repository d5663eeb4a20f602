namespace Marrow.Formats.ChatTemplates;

/// <summary>A part of an expression.</summary>
internal abstract class Expression(int line)
{
    public int Line => line;

    public object? Evaluate(TemplateRun run, TemplateScope scope)
    {
        run.Enter(line);
        object? value = Compute(run, scope);
        run.Leave();
        return value;
    }

    protected abstract object? Compute(TemplateRun run, TemplateScope scope);
}

/// <summary>A literal.</summary>
internal sealed class Constant(int line, object? value) : Expression(line)
{
    public object? Value => value;

    protected override object? Compute(TemplateRun run, TemplateScope scope) => value;
}

/// <summary>A variable.</summary>
internal sealed class NameExpression(int line, string name) : Expression(line)
{
    public string Name => name;

    protected override object? Compute(TemplateRun run, TemplateScope scope) => scope.Find(name);
}

/// <summary><c>[a, b]</c> and <c>(a, b)</c></summary>
internal sealed class ListExpression(int line, List<Expression> items) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope) => items.ConvertAll(item => item.Evaluate(run, scope));
}

/// <summary><c>{'a': b}</c></summary>
internal sealed class MapExpression(int line, List<(Expression Key, Expression Value)> items) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope)
    {
        var map = new TemplateMap();
        foreach ((Expression key, Expression value) in items)
        {
            string name = key.Evaluate(run, scope) as string ?? throw run.Unsupported(Line, "a mapping key that is not a string");
            map[name] = value.Evaluate(run, scope);
        }
        return map;
    }
}

/// <summary><c>a if test else b</c></summary>
internal sealed class ConditionalExpression(int line, Expression test, Expression then, Expression? otherwise) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope) =>
        TemplateValues.IsTrue(test.Evaluate(run, scope)) ? then.Evaluate(run, scope)
        : otherwise is null ? new Undefined("the else of an inline if") : otherwise.Evaluate(run, scope);
}

/// <summary><c>and</c>, <c>or</c>: the value of the side that decides.</summary>
internal sealed class LogicalExpression(int line, bool and, Expression left, Expression right) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope)
    {
        object? value = left.Evaluate(run, scope);
        return TemplateValues.IsTrue(value) == and ? right.Evaluate(run, scope) : value;
    }
}

/// <summary><c>not a</c></summary>
internal sealed class NotExpression(int line, Expression operand) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope) => !TemplateValues.IsTrue(operand.Evaluate(run, scope));
}

/// <summary><c>a &lt; b == c</c>: every neighbouring pair must hold.</summary>
internal sealed class ComparisonExpression(int line, Expression first, List<(string Operator, Expression Operand)> rest) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope)
    {
        object? left = first.Evaluate(run, scope);
        foreach ((string op, Expression operand) in rest)
        {
            object? right = operand.Evaluate(run, scope);
            bool holds = op switch
            {
                "==" => TemplateValues.AreEqual(run, Line, left, right),
                "!=" => !TemplateValues.AreEqual(run, Line, left, right),
                "in" => TemplateValues.Contains(run, Line, right, left),
                "not in" => !TemplateValues.Contains(run, Line, right, left),
                "<" => TemplateValues.Compare(run, Line, left, right) < 0,
                "<=" => TemplateValues.Compare(run, Line, left, right) <= 0,
                ">" => TemplateValues.Compare(run, Line, left, right) > 0,
                _ => TemplateValues.Compare(run, Line, left, right) >= 0,
            };
            if (!holds)
                return false;
            left = right;
        }
        return true;
    }
}

/// <summary><c>+ - * / // % ~</c></summary>
internal sealed class ArithmeticExpression(int line, string op, Expression left, Expression right) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope)
    {
        object? a = left.Evaluate(run, scope), b = right.Evaluate(run, scope);
        if (op == "+")
            return TemplateValues.Add(run, Line, a, b);
        if (op != "~")
            return TemplateValues.Arithmetic(run, Line, op, a, b);
        string x = TemplateValues.Text(run, Line, a), y = TemplateValues.Text(run, Line, b);
        run.Charge(Line, x.Length + y.Length);
        return x + y;
    }
}

/// <summary><c>a.b</c> and <c>a[b]</c></summary>
internal sealed class MemberExpression(int line, Expression target, Expression key) : Expression(line)
{
    public Expression Target => target;

    public Expression Key => key;

    protected override object? Compute(TemplateRun run, TemplateScope scope)
    {
        object? value = target.Evaluate(run, scope), at = key.Evaluate(run, scope);
        object? found = new Undefined(at as string ?? "an element");
        switch (value, at)
        {
            case (TemplateMap map, string name):
                return map.TryGetValue(name, out object? member) ? member : found;
            case (TemplateNamespace space, string name):
                return space.Members.TryGetValue(name, out member) ? member : found;
            case (List<object?> list, long index):
                index += index < 0 ? list.Count : 0;
                return index >= 0 && index < list.Count ? list[(int)index] : found;
            case (string text, long index):
                run.ChargeList(Line, text.Length);
                List<object?> characters = PythonText.Characters(text);
                index += index < 0 ? characters.Count : 0;
                return index >= 0 && index < characters.Count ? characters[(int)index] : found;
            case (Undefined, _):
                throw run.Error(Line, $"cannot read {(at is string s ? Echo.Quote(s) : "an element")} of {TemplateValues.Kind(value)}");
            default:
                return found;
        }
    }
}

/// <summary><c>a[from:to:step]</c></summary>
internal sealed class SliceExpression(int line, Expression target, Expression? from, Expression? to, Expression? step) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope)
    {
        object? value = target.Evaluate(run, scope);
        long? Bound(Expression? bound) => bound?.Evaluate(run, scope) switch
        {
            null => null,
            long n => n,
            var other => throw run.Error(Line, $"a slice needs integers, not {TemplateValues.Kind(other)}"),
        };
        long stride = Bound(step) ?? 1;
        if (stride == 0 || value is not (string or List<object?>))
            throw run.Error(Line, stride == 0 ? "a slice needs a step that is not 0" : $"cannot slice {TemplateValues.Kind(value)}");
        List<object?> items = TemplateValues.Iterate(run, Line, value);
        run.ChargeList(Line, items.Count);
        long Place(long? bound, long absent, long low, long high) =>
            bound is not { } b ? absent : Math.Clamp(b < 0 ? Math.Max(b, -items.Count - 1L) + items.Count : b, low, high);
        bool forward = stride > 0;
        long low = forward ? 0 : -1, high = forward ? items.Count : items.Count - 1;
        long at = Place(Bound(from), forward ? low : high, low, high), end = Place(Bound(to), forward ? high : low, low, high);
        stride = Math.Clamp(stride, -items.Count - 1L, items.Count + 1L);
        var slice = new List<object?>();
        for (; forward ? at < end : at > end; at += stride)
            slice.Add(items[(int)at]);
        return value is string ? string.Concat(slice) : slice;
    }
}

/// <summary><c>a | filter(b)</c></summary>
internal sealed class FilterExpression(int line, Expression target, string name, CallArguments arguments) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope) =>
        TemplateFilters.Apply(name, target.Evaluate(run, scope), arguments.Evaluate(run, scope, Line, $"the filter {name}"));
}

/// <summary><c>a is test(b)</c></summary>
internal sealed class TestExpression(int line, Expression target, string name, CallArguments arguments) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope) =>
        TemplateTests.Holds(name, target.Evaluate(run, scope), arguments.Evaluate(run, scope, Line, $"the test {name}"));
}

/// <summary><c>f(a)</c> and <c>a.f(b)</c></summary>
internal sealed class CallExpression(int line, Expression target, CallArguments arguments) : Expression(line)
{
    protected override object? Compute(TemplateRun run, TemplateScope scope)
    {
        if (target is MemberExpression { Key: Constant { Value: string method } } member)
        {
            object? self = member.Target.Evaluate(run, scope);
            return TemplateMethods.Call(self, method, arguments.Evaluate(run, scope, Line, $"{method}()"));
        }
        string name = (target as NameExpression)?.Name ?? throw run.Unsupported(Line, "calling anything but a function or a method");
        return scope.Find(name) switch
        {
            TemplateFunction function => function(arguments.Evaluate(run, scope, Line, $"{name}()")),
            var other => throw run.Error(Line, $"{Echo.Quote(name)} is not a function but {TemplateValues.Kind(other)}"),
        };
    }
}
