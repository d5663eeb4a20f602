namespace Marrow.Formats.ChatTemplates;

/// <summary>Parses the tags of a template into statements.</summary>
internal sealed class TemplateParser
{
    private const int Deepest = 60;

    private readonly TemplateSource _source;
    private readonly TokenCursor _cursor;
    private readonly ExpressionParser _expressions;
    private int _depth;
    private int _loops;

    private TemplateParser(TemplateSource source, string text)
    {
        _source = source;
        _cursor = new TokenCursor(source, TemplateLexer.Read(source, text));
        _expressions = new ExpressionParser(source, _cursor);
    }

    /// <exception cref="MarrowException">CT001: the template is not well formed, or uses what is not supported.</exception>
    public static Block Parse(TemplateSource source, string text)
    {
        var parser = new TemplateParser(source, text);
        Block body = parser.Body("the template", [], out _);
        return body;
    }

    /// <summary>Statements up to one of the tags in <paramref name="ends"/>, whose name has been read when this returns.</summary>
    private Block Body(string of, ReadOnlySpan<string> ends, out string end)
    {
        int begun = _cursor.Line;
        if (++_depth > Deepest)
            throw _source.Syntax(begun, $"tags are nested more than {Deepest} deep");
        var statements = new List<Statement>();
        while (true)
        {
            TemplateToken token = _cursor.Current;
            _cursor.Skip(1);
            switch (token.Kind)
            {
                case TokenKind.Data:
                    statements.Add(new DataStatement(token.Line, token.Text));
                    break;
                case TokenKind.PrintBegin:
                    statements.Add(new PrintStatement(token.Line, _expressions.Tuple()));
                    _cursor.ExpectEnd();
                    break;
                case TokenKind.BlockBegin:
                    string name = _cursor.Name();
                    if (ends.Contains(name))
                    {
                        _depth--;
                        end = name;
                        return new Block(begun, statements);
                    }
                    statements.Add(Tag(name, token.Line));
                    break;
                default:
                    if (ends.Length > 0)
                        throw _source.Syntax(begun, $"{of} does not end: no {{% {ends[^1]} %}} found");
                    end = "";
                    return new Block(begun, statements);
            }
        }
    }

    /// <summary>Statements up to the one tag that ends them.</summary>
    private Block Body(string of, string end)
    {
        Block body = Body(of, [end], out _);
        _cursor.ExpectEnd();
        return body;
    }

    private Statement Tag(string name, int line)
    {
        switch (name)
        {
            case "if":
                return If(line);
            case "for":
                return For(line);
            case "set":
                return Set(line);
            case "macro":
                return Macro(line);
            case "break" or "continue" when _loops > 0:
                _cursor.ExpectEnd();
                return new JumpStatement(line, name == "break" ? Flow.Break : Flow.Continue);
            case "generation":
                // Marks the assistant's words for a mask; it changes nothing in the text.
                _cursor.ExpectEnd();
                return Body(name, "endgeneration");
            default:
                throw _source.Unsupported(line, $"the tag {Echo.Quote(name)} here");
        }
    }

    private IfStatement If(int line)
    {
        var branches = new List<(Expression?, Block)>();
        Expression? test = _expressions.Tuple();
        while (true)
        {
            _cursor.ExpectEnd();
            ReadOnlySpan<string> ends = test is null ? ["endif"] : ["elif", "else", "endif"];
            branches.Add((test, Body("if", ends, out string end)));
            if (end == "endif")
                break;
            test = end == "elif" ? _expressions.Tuple() : null;
        }
        _cursor.ExpectEnd();
        return new IfStatement(line, branches);
    }

    private ForStatement For(int line)
    {
        List<string> targets = Targets();
        if (!_cursor.TakeName("in"))
            throw _source.Syntax(line, $"expected 'in', found {_cursor.Current}");
        Expression source = _expressions.Or();
        Expression? filter = _cursor.TakeName("if") ? _expressions.Conditional() : null;
        if (_cursor.TakeName("recursive"))
            throw _source.Unsupported(line, "a recursive loop");
        _cursor.ExpectEnd();
        _loops++;
        Block body = Body("for", ["else", "endfor"], out string end);
        _loops--;
        _cursor.ExpectEnd();
        return new ForStatement(line, targets, source, filter, body, end == "else" ? Body("for", "endfor") : null);
    }

    private List<string> Targets()
    {
        bool parenthesised = _cursor.Take("(");
        var targets = new List<string> { _cursor.Name() };
        while (_cursor.Take(","))
            targets.Add(_cursor.Name());
        if (parenthesised)
            _cursor.Expect(")");
        return targets;
    }

    private SetStatement Set(int line)
    {
        List<string> targets = Targets();
        string? member = targets.Count == 1 && _cursor.Take(".") ? _cursor.Name() : null;
        if (_cursor.TakeEnd())
            return new SetStatement(line, targets, member, null, Body("set", "endset"));
        _cursor.Expect("=");
        Expression value = _expressions.Tuple();
        _cursor.ExpectEnd();
        return new SetStatement(line, targets, member, value, null);
    }

    private MacroStatement Macro(int line)
    {
        string name = _cursor.Name();
        _cursor.Expect("(");
        var parameters = new List<(string, Expression?)>();
        while (!_cursor.Take(")"))
        {
            if (parameters.Count > 0)
                _cursor.Expect(",");
            string parameter = _cursor.Name();
            parameters.Add((parameter, _cursor.Take("=") ? _expressions.Conditional() : null));
        }
        _cursor.ExpectEnd();
        (int loops, _loops) = (_loops, 0);
        Block body = Body("macro", "endmacro");
        _loops = loops;
        return new MacroStatement(line, name, parameters, body);
    }
}
