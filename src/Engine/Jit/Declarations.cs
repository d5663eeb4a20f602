namespace Marrow.Engine.Jit;

/// <summary>Where each local is declared: at its first assignment where that stands before every other use, else at the function's head.</summary>
internal sealed class Declarations
{
    private readonly HashSet<Assign> _at = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Variable> _placed = [];
    private readonly Dictionary<Variable, int> _mentions = [];

    public Declarations(List<Stmt> body)
    {
        foreach (Variable v in Tidy.All(body).SelectMany(Mentioned))
            _mentions[v] = _mentions.GetValueOrDefault(v) + 1;
        Place(body);
    }

    /// <summary>Whether this assignment declares its variable.</summary>
    public bool Declares(Assign a) => _at.Contains(a);

    /// <summary>The variables to declare at the head.</summary>
    public IEnumerable<Variable> AtHead(IEnumerable<Variable> all) => all.Where(v => _mentions.ContainsKey(v) && !_placed.Contains(v));

    // In each list, from the outermost: a variable whose first mention is a plain assignment of the list itself, or a loop's start.
    private void Place(List<Stmt> list)
    {
        int lastLabel = list.FindLastIndex(s => s is Label);
        for (int i = 0; i < list.Count; i++)
        {
            // C++ has no goto past a declaration to a label behind it.
            if (list[i] is Assign { Place: PlaceOf { Variable: { IsParameter: false } v } } a && i > lastLabel && !_placed.Contains(v) && !Code.Reads(a.Value, v) && IsOnlyIn(v, list, i))
            {
                _at.Add(a);
                _placed.Add(v);
            }
            if (list[i] is If branch)
            {
                Place(branch.Yes);
                Place(branch.No);
            }
            if (list[i] is not Loop loop)
                continue;
            if (loop.Start is { Place: PlaceOf { Variable: { IsParameter: false } counter } } start && !_placed.Contains(counter) && _mentions[counter] == Mentions(counter, [loop]))
            {
                _at.Add(start);
                _placed.Add(counter);
            }
            Place(loop.Body);
        }
    }

    // All mentions are in the list, none before its statement number first.
    private bool IsOnlyIn(Variable v, List<Stmt> list, int first) => Mentions(v, list.Take(first)) == 0 && Mentions(v, list) == _mentions[v];

    private static int Mentions(Variable v, IEnumerable<Stmt> list) => Tidy.All(list).Sum(s => Mentioned(s).Count(m => m == v));

    private static IEnumerable<Variable> Mentioned(Stmt s)
    {
        IEnumerable<Expr> places = ((Assign?[])[s as Assign, (s as Loop)?.Start, (s as Loop)?.Step]).Where(a => a is not null).Select(a => a!.Place).OfType<PlaceOf>();
        return Tidy.Own(s).Concat(places).SelectMany(In).Concat(s is Zero z ? [z.Array] : []);
    }

    private static IEnumerable<Variable> In(Expr e) => e switch
    {
        Read r => [r.Variable],
        PlaceOf p => [p.Variable],
        _ => Code.Parts(e).SelectMany(In),
    };
}
