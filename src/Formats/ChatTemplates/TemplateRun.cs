using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>One rendering: what it may still spend, and how its errors are worded.</summary>
internal sealed class TemplateRun(TemplateSource source, TimeProvider clock)
{
    /// <summary>One unit is a character copied or looked at; an evaluated node costs ten.</summary>
    private const long WorkLimit = 100_000_000;
    private const int NodeCost = 10;
    private const int MemberCost = 16;
    private const int OutputLimit = 32 << 20;
    private const int DepthLimit = 400;

    private long _work = WorkLimit;
    private int _depth;

    public TimeProvider Clock => clock;

    public MarrowException Error(int line, string message) => source.Error("CT002", line, message);

    public MarrowException Raised(int line, string message) => source.Error("CT003", line, "the template refuses the conversation: " + message);

    public MarrowException Unsupported(int line, string what) => source.Unsupported(line, what);

    /// <summary>Bounds time and memory: every string, list and search is paid for before it is made.</summary>
    public void Charge(int line, long units)
    {
        _work -= units;
        if (_work < 0)
            throw source.Error("CT004", line, "the template does too much work for one conversation; simplify it or shorten the conversation");
    }

    /// <summary>Pays for a list of so many members.</summary>
    public void ChargeList(int line, long members) => Charge(line, MemberCost * members);

    /// <summary>Pays for looking for one text in another, whose worst case is the product of their lengths.</summary>
    public void ChargeSearch(int line, string text, string sought) =>
        Charge(line, text.Length + (sought.Length > 64 ? (long)text.Length * sought.Length / 64 : 0));

    public void Enter(int line)
    {
        Charge(line, NodeCost);
        if (++_depth > DepthLimit)
            throw source.Error("CT004", line, $"the template nests or calls more than {DepthLimit} deep");
    }

    public void Leave() => _depth--;

    public void Write(StringBuilder output, string text, int line)
    {
        Charge(line, text.Length);
        if (output.Length + text.Length > OutputLimit)
            throw source.Error("CT004", line, $"the text is longer than {OutputLimit} characters");
        output.Append(text);
    }
}
