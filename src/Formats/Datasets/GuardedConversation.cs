using System.Globalization;
using System.Text;

namespace Marrow.Formats.Datasets;

/// <summary>
/// A conversation whose contents cannot pose as control tokens: every special token written out in a content is replaced by a
/// mark before the template sees it, and comes back as plain characters when the template's output is tokenised. Only the
/// template's own special tokens become special.
/// </summary>
internal sealed class GuardedConversation
{
    private readonly ITokenizer _tokenizer;
    private readonly List<string> _hidden = [];
    private readonly char _mark;

    public GuardedConversation(IReadOnlyList<ChatMessage> messages, ITokenizer tokenizer, SpecialTexts specials)
    {
        _tokenizer = tokenizer;
        Messages = messages;
        if (!messages.Any(m => specials.Find(m.Content, 0, out _, out _)))
            return;
        _mark = UnusedMark(messages);
        Messages = [.. messages.Select(m => m with { Content = Hide(m.Content, specials) })];
    }

    /// <summary>The messages to render.</summary>
    public IReadOnlyList<ChatMessage> Messages { get; }

    /// <summary>The first special token that was found written out, or null.</summary>
    public string? FirstHidden => _hidden.Count == 0 ? null : _hidden[0];

    /// <summary>Token ids of a piece of the template's output.</summary>
    public IReadOnlyList<int> Encode(string rendered)
    {
        if (_hidden.Count == 0)
            return _tokenizer.Encode(rendered, addSpecial: false, parseSpecial: true);
        var ids = new List<int>();
        string[] parts = rendered.Split(_mark);
        if (parts.Length % 2 == 0)
            throw Altered();
        for (int i = 0; i < parts.Length; i++)
        {
            // Marks come in pairs around a number, so every other part is one.
            bool plain = i % 2 == 1;
            string text = plain ? Hidden(parts[i]) : parts[i];
            if (text.Length > 0)
                ids.AddRange(_tokenizer.Encode(text, addSpecial: false, parseSpecial: !plain));
        }
        return ids;
    }

    private string Hidden(string number) =>
        int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int i) && i < _hidden.Count ? _hidden[i] : throw Altered();

    private RowException Altered() => new("DS055",
        $"a message contains the special token {Echo.Quote(_hidden[0])} written out, and the chat template changes the text around it; remove it from the message");

    private static char UnusedMark(IReadOnlyList<ChatMessage> messages)
    {
        for (char c = '\uE000'; c <= '\uF8FF'; c++)
            if (!messages.Any(m => m.Content.Contains(c, StringComparison.Ordinal)))
                return c;
        throw new RowException("DS055", "special tokens written out beside every private-use character there is; remove the special tokens");
    }

    private string Hide(string content, SpecialTexts specials)
    {
        var text = new StringBuilder();
        int from = 0;
        while (specials.Find(content, from, out int at, out string special))
        {
            text.Append(content, from, at - from).Append(_mark).Append(CultureInfo.InvariantCulture, $"{_hidden.Count}").Append(_mark);
            _hidden.Add(special);
            from = at + special.Length;
        }
        return text.Append(content, from, content.Length - from).ToString();
    }
}
