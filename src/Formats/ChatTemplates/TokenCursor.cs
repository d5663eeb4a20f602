namespace Marrow.Formats.ChatTemplates;

/// <summary>The place of the parser in the tokens.</summary>
internal sealed class TokenCursor(TemplateSource source, List<TemplateToken> tokens)
{
    private int _at;

    public TemplateToken Current => tokens[_at];

    public TemplateToken Next => tokens[Math.Min(_at + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    /// <summary>Stays on the last token, the end of the template.</summary>
    public void Skip(int count) => _at = Math.Min(_at + count, tokens.Count - 1);

    public bool At(string op) => Current.Is(TokenKind.Operator, op);

    public bool Take(string op) => TakeIf(At(op));

    public bool TakeName(string name) => TakeIf(Current.Is(TokenKind.Name, name));

    public bool TakeEnd() => TakeIf(Current.Kind == TokenKind.BlockEnd);

    public string? TakeAny(params ReadOnlySpan<string> operators)
    {
        string text = Current.Text;
        return Current.Kind == TokenKind.Operator && operators.Contains(text) && TakeIf(true) ? text : null;
    }

    public string Name()
    {
        string name = Current.Kind == TokenKind.Name ? Current.Text : throw source.Syntax(Line, $"expected a name, found {Current}");
        Skip(1);
        return name;
    }

    public void Expect(string op)
    {
        if (!Take(op))
            throw source.Syntax(Line, $"expected '{op}', found {Current}");
    }

    public void ExpectEnd()
    {
        if (!TakeEnd())
            throw source.Syntax(Line, $"unexpected {Current} in the tag");
    }

    private bool TakeIf(bool holds)
    {
        if (holds)
            Skip(1);
        return holds;
    }
}
