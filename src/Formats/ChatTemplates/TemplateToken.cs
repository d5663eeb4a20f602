namespace Marrow.Formats.ChatTemplates;

/// <summary>A piece of template text or of an expression.</summary>
internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Line)
{
    public bool Is(TokenKind kind, string text) => Kind == kind && Text == text;

    public override string ToString() => Kind switch
    {
        TokenKind.BlockEnd => "end of the tag",
        TokenKind.End => "end of the template",
        _ => Echo.Quote(Text),
    };
}

/// <summary>Kinds of <see cref="TemplateToken"/>.</summary>
internal enum TokenKind
{
    /// <summary>Text that is written as it is.</summary>
    Data,

    /// <summary><c>{%</c></summary>
    BlockBegin,

    /// <summary><c>{{</c></summary>
    PrintBegin,

    /// <summary><c>%}</c> or <c>}}</c></summary>
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}
