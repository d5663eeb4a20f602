using System.Globalization;
using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>
/// Cuts a template into tokens, with the white-space rules of transformers' environment: trim_blocks and lstrip_blocks
/// are on, one newline at the end of the template is dropped.
/// </summary>
internal sealed class TemplateLexer
{
    private static readonly string[] Operators =
        ["**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    private readonly TemplateSource _source;
    private readonly string _text;
    private readonly List<TemplateToken> _tokens = [];
    private int _at;
    private int _line = 1;
    private int _lineAt;

    private TemplateLexer(TemplateSource source, string text)
    {
        text = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        (_source, _text) = (source, text.EndsWith('\n') ? text[..^1] : text);
    }

    public static List<TemplateToken> Read(TemplateSource source, string text)
    {
        var lexer = new TemplateLexer(source, text);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private void ReadAll()
    {
        while (NextTag(out int tag))
        {
            char kind = _text[tag + 1];
            char sign = tag + 2 < _text.Length && _text[tag + 2] is ('-' or '+') ? _text[tag + 2] : ' ';
            AddData(tag, kind, sign);
            int line = Line(tag);
            _at = tag + (sign == ' ' ? 2 : 3);
            if (kind == '#')
            {
                SkipComment(line);
                continue;
            }
            Add(kind == '%' ? TokenKind.BlockBegin : TokenKind.PrintBegin, _text[tag..(tag + 2)], line);
            ReadTag(kind == '%' ? "%}" : "}}", line);
        }
        if (_at < _text.Length)
            Add(TokenKind.Data, _text[_at..], Line(_at));
        Add(TokenKind.End, "", Line(_text.Length));
    }

    private bool NextTag(out int tag)
    {
        for (tag = _at; tag + 1 < _text.Length; tag++)
        {
            int step = _text.AsSpan(tag).IndexOf('{');
            if (step < 0)
                return false;
            tag += step;
            if (tag + 1 < _text.Length && _text[tag + 1] is ('{' or '%' or '#'))
                return true;
        }
        return false;
    }

    private void AddData(int end, char kind, char sign)
    {
        string data = _text[_at..end];
        if (sign == '-')
        {
            data = PythonText.StripEnd(data);
        }
        else if (sign != '+' && kind != '{')
        {
            // lstrip_blocks: white space goes where only it stands before the tag on its line.
            int lineStart = data.LastIndexOf('\n') + 1;
            bool startsLine = lineStart > 0 || _at == 0 || _text[_at - 1] == '\n';
            if (startsLine && PythonText.Strip(data[lineStart..]).Length == 0)
                data = data[..lineStart];
        }
        if (data.Length > 0)
            Add(TokenKind.Data, data, Line(_at));
    }

    private void SkipComment(int line)
    {
        int end = _text.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
            throw _source.Syntax(line, "the comment does not end");
        char sign = end > _at ? _text[end - 1] : ' ';
        _at = end + 2;
        AfterTag(sign, trims: true);
    }

    /// <summary>What a tag swallows behind it: all white space after <c>-</c>, else one newline after a block or comment.</summary>
    private void AfterTag(char sign, bool trims)
    {
        if (sign == '-')
        {
            while (_at < _text.Length && PythonText.IsSpace(_text[_at]))
                _at++;
        }
        else if (trims && sign != '+' && _at < _text.Length && _text[_at] == '\n')
        {
            _at++;
        }
    }

    private void ReadTag(string end, int begun)
    {
        int open = 0;
        while (true)
        {
            while (_at < _text.Length && PythonText.IsSpace(_text[_at]))
                _at++;
            if (_at >= _text.Length)
                throw _source.Syntax(begun, "the tag does not end");
            char c = _text[_at];
            int line = Line(_at);
            int signed = c is '-' or '+' ? 1 : 0;
            if (open == 0 && string.CompareOrdinal(_text, _at + signed, end, 0, 2) == 0)
            {
                Add(TokenKind.BlockEnd, end, line);
                _at += signed + 2;
                AfterTag(signed == 1 ? c : ' ', trims: end == "%}");
                return;
            }
            if (c is '"' or '\'')
                ReadString(c, line);
            else if (char.IsAsciiDigit(c))
                ReadNumber(line);
            else if (char.IsAsciiLetter(c) || c == '_')
                Add(TokenKind.Name, Take(static x => char.IsAsciiLetterOrDigit(x) || x == '_'), line);
            else
                open += ReadOperator(line);
        }
    }

    private int ReadOperator(int line)
    {
        foreach (string op in Operators)
        {
            if (string.CompareOrdinal(_text, _at, op, 0, op.Length) != 0)
                continue;
            Add(TokenKind.Operator, op, line);
            _at += op.Length;
            return op is "(" or "[" or "{" ? 1 : op is ")" or "]" or "}" ? -1 : 0;
        }
        throw _source.Syntax(line, $"unexpected character {Echo.Quote(_text.Substring(_at, 1))}");
    }

    private void ReadNumber(int line)
    {
        int start = _at;
        Take(char.IsAsciiDigit);
        bool fraction = _at + 1 < _text.Length && _text[_at] == '.' && char.IsAsciiDigit(_text[_at + 1]);
        if (fraction)
        {
            _at++;
            Take(char.IsAsciiDigit);
        }
        Add(fraction ? TokenKind.Float : TokenKind.Integer, _text[start.._at], line);
    }

    private string Take(Func<char, bool> belongs)
    {
        int start = _at;
        while (_at < _text.Length && belongs(_text[_at]))
            _at++;
        return _text[start.._at];
    }

    private void ReadString(char quote, int line)
    {
        var value = new StringBuilder();
        for (_at++; ; _at++)
        {
            if (_at >= _text.Length)
                throw _source.Syntax(line, "the string does not end");
            char c = _text[_at];
            if (c == quote)
                break;
            if (c == '\\' && _at + 1 < _text.Length)
                ReadEscape(value, line);
            else
                value.Append(c);
        }
        _at++;
        Add(TokenKind.String, value.ToString(), line);
    }

    private void ReadEscape(StringBuilder value, int line)
    {
        char c = _text[++_at];
        int digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (_at + digits >= _text.Length ||
                !uint.TryParse(_text.AsSpan(_at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code) || code > 0x10FFFF)
            {
                throw _source.Syntax(line, $"\\{c} needs {digits} hexadecimal digits");
            }
            if (code > 0xFFFF)
                value.Append(char.ConvertFromUtf32((int)code));
            else
                value.Append((char)code);
            _at += digits;
            return;
        }
        char plain = c switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f', 'v' => '\v', 'a' => '\a', '\\' => '\\', '\'' => '\'', '"' => '"', _ => '\0' };
        if (plain != '\0')
            value.Append(plain);
        else if (char.IsAsciiDigit(c) || c == 'N')
            throw _source.Unsupported(line, $"the escape \\{Echo.Name(c.ToString())}");
        else if (c != '\n')
            value.Append('\\').Append(c);
    }

    private void Add(TokenKind kind, string text, int line) => _tokens.Add(new TemplateToken(kind, text, line));

    private int Line(int offset)
    {
        _line += _text.AsSpan(_lineAt, offset - _lineAt).Count('\n');
        _lineAt = offset;
        return _line;
    }
}
