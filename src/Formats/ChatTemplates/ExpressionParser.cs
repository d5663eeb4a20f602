using System.Globalization;

namespace Marrow.Formats.ChatTemplates;

/// <summary>Parses expressions, with Jinja's order of precedence.</summary>
internal sealed class ExpressionParser(TemplateSource source, TokenCursor cursor)
{
    private const int Deepest = 100;
    private int _depth;

    /// <summary>An expression, or several with commas between them as a list.</summary>
    public Expression Tuple()
    {
        Expression first = Conditional();
        if (!cursor.At(","))
            return first;
        var items = new List<Expression> { first };
        while (cursor.Take(","))
        {
            if (cursor.Current.Kind == TokenKind.BlockEnd || cursor.At(")"))
                break;
            items.Add(Conditional());
        }
        return new ListExpression(first.Line, items);
    }

    public Expression Conditional()
    {
        if (++_depth > Deepest)
            throw source.Syntax(cursor.Line, $"the expression is nested more than {Deepest} deep");
        Expression value = Or();
        while (cursor.TakeName("if"))
        {
            Expression test = Or();
            value = new ConditionalExpression(value.Line, test, value, cursor.TakeName("else") ? Conditional() : null);
        }
        _depth--;
        return value;
    }

    /// <summary>An expression without inline if, as a loop's source is.</summary>
    public Expression Or()
    {
        Expression left = And();
        while (cursor.TakeName("or"))
            left = new LogicalExpression(left.Line, and: false, left, And());
        return left;
    }

    private Expression And()
    {
        Expression left = Not();
        while (cursor.TakeName("and"))
            left = new LogicalExpression(left.Line, and: true, left, Not());
        return left;
    }

    private Expression Not()
    {
        int line = cursor.Line, count = 0;
        while (cursor.TakeName("not"))
            count++;
        Expression value = Comparison();
        if (count > 0)
            value = new NotExpression(line, value);
        return count % 2 == 0 && count > 0 ? new NotExpression(line, value) : value;
    }

    private Expression Comparison()
    {
        Expression first = Sum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            string? op = cursor.TakeAny("==", "!=", "<", "<=", ">", ">=") ?? (cursor.TakeName("in") ? "in" : null);
            if (op is null && cursor.Current.Is(TokenKind.Name, "not") && cursor.Next.Is(TokenKind.Name, "in"))
            {
                cursor.Skip(2);
                op = "not in";
            }
            if (op is null)
                return rest.Count == 0 ? first : new ComparisonExpression(first.Line, first, rest);
            rest.Add((op, Sum()));
        }
    }

    private Expression Sum()
    {
        Expression left = Concatenation();
        while (cursor.TakeAny("+", "-") is { } op)
            left = new ArithmeticExpression(left.Line, op, left, Concatenation());
        return left;
    }

    private Expression Concatenation()
    {
        Expression left = Product();
        while (cursor.TakeAny("~") is { } op)
            left = new ArithmeticExpression(left.Line, op, left, Product());
        return left;
    }

    private Expression Product()
    {
        Expression left = Unary(filters: true);
        while (cursor.TakeAny("*", "/", "//", "%") is { } op)
            left = new ArithmeticExpression(left.Line, op, left, Unary(filters: true));
        return left;
    }

    private Expression Unary(bool filters)
    {
        int line = cursor.Line;
        bool negative = cursor.TakeAny("-") is not null;
        if (cursor.At("-") || cursor.At("+"))
            throw source.Unsupported(line, "a sign before a value here");
        Expression value = Postfix(Primary());
        if (negative)
            value = new ArithmeticExpression(line, "-", new Constant(line, 0L), value);
        return filters ? FiltersAndTests(value) : value;
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            int line = cursor.Line;
            if (cursor.Take("."))
                value = new MemberExpression(line, value, new Constant(line, cursor.Name()));
            else if (cursor.Take("["))
                value = Subscript(line, value);
            else if (cursor.At("("))
                value = new CallExpression(line, value, Arguments());
            else
                return value;
        }
    }

    private Expression Subscript(int line, Expression target)
    {
        var parts = new Expression?[3];
        int colons = 0;
        while (!cursor.Take("]"))
        {
            if (cursor.Take(":"))
            {
                if (++colons > 2)
                    throw source.Syntax(line, "a slice has at most three parts");
            }
            else if (parts[colons] is null)
            {
                parts[colons] = Conditional();
            }
            else
            {
                throw source.Syntax(line, $"unexpected {cursor.Current} in an index");
            }
        }
        if (colons > 0)
            return new SliceExpression(line, target, parts[0], parts[1], parts[2]);
        return new MemberExpression(line, target, parts[0] ?? throw source.Syntax(line, "the index is empty"));
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            int line = cursor.Line;
            if (cursor.Take("|"))
            {
                string name = cursor.Name();
                value = new FilterExpression(line, value, name, cursor.At("(") ? Arguments() : CallArguments.None);
            }
            else if (cursor.TakeName("is"))
            {
                bool not = cursor.TakeName("not");
                string name = cursor.Name();
                value = new TestExpression(line, value, name, TestArguments());
                if (not)
                    value = new NotExpression(line, value);
            }
            else if (cursor.At("("))
            {
                value = new CallExpression(line, value, Arguments());
            }
            else
            {
                return value;
            }
        }
    }

    private CallArguments TestArguments()
    {
        if (cursor.At("("))
            return Arguments();
        TemplateToken next = cursor.Current;
        bool argument = next.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float || next.Text is "[" or "{" ||
            (next.Kind == TokenKind.Name && next.Text is not ("else" or "or" or "and" or "is" or "if" or "in" or "not"));
        return argument ? new CallArguments([Postfix(Primary())], []) : CallArguments.None;
    }

    private CallArguments Arguments()
    {
        cursor.Expect("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        while (!cursor.Take(")"))
        {
            if (positional.Count + named.Count > 0)
            {
                cursor.Expect(",");
                if (cursor.Take(")"))
                    break;
            }
            if (cursor.At("*") || cursor.At("**"))
                throw source.Unsupported(cursor.Line, "unpacking arguments with *");
            if (cursor.Current.Kind == TokenKind.Name && cursor.Next.Is(TokenKind.Operator, "="))
            {
                string name = cursor.Name();
                cursor.Skip(1);
                named.Add((name, Conditional()));
            }
            else
            {
                positional.Add(Conditional());
            }
        }
        return new CallArguments(positional, named);
    }

    private Expression Primary()
    {
        TemplateToken token = cursor.Current;
        int line = token.Line;
        cursor.Skip(1);
        switch (token.Kind)
        {
            case TokenKind.Name when token.Text is "true" or "True" or "false" or "False":
                return new Constant(line, token.Text is "true" or "True");
            case TokenKind.Name when token.Text is "none" or "None":
                return new Constant(line, null);
            case TokenKind.Name when token.Text is not ("not" or "in" or "is" or "and" or "or" or "if" or "else"):
                return new NameExpression(line, token.Text);
            case TokenKind.String:
                string text = token.Text;
                for (; cursor.Current.Kind == TokenKind.String; cursor.Skip(1))
                    text += cursor.Current.Text;
                return new Constant(line, text);
            case TokenKind.Integer:
                return long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                    ? new Constant(line, number) : throw source.Syntax(line, "the integer does not fit 64 bits");
            case TokenKind.Float:
                return new Constant(line, double.Parse(token.Text, NumberStyles.Float, CultureInfo.InvariantCulture));
            case TokenKind.Operator when token.Text == "(":
                if (cursor.Take(")"))
                    return new ListExpression(line, []);
                Expression inner = Tuple();
                cursor.Expect(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ListExpression(line, Members("]", Conditional));
            case TokenKind.Operator when token.Text == "{":
                return new MapExpression(line, Members("}", () =>
                {
                    Expression key = Conditional();
                    cursor.Expect(":");
                    return (key, Conditional());
                }));
            default:
                throw source.Syntax(line, $"unexpected {token}");
        }
    }

    private List<T> Members<T>(string end, Func<T> member)
    {
        var members = new List<T>();
        while (!cursor.Take(end))
        {
            if (members.Count > 0)
            {
                cursor.Expect(",");
                if (cursor.Take(end))
                    break;
            }
            members.Add(member());
        }
        return members;
    }
}
