namespace Marrow.Engine.Jit;

/// <summary>Makes structured statements read as they were written: for and while, ?:, no temporary that is used at once.</summary>
internal static class Tidy
{
    /// <summary>Rewrites the statements of a function in place.</summary>
    public static void Run(List<Stmt> body)
    {
        Flatten(body);
        Labels(body, [.. All(body).OfType<Jump>().Select(j => j.Label)]);
        Loops(body);
        Labels(body, [.. All(body).OfType<Jump>().Select(j => j.Label)]);
        while (Merge(body, Count(body)))
        {
        }
        DropLastReturn(body);
    }

    /// <summary>Every statement, nested ones too, in the order of the text.</summary>
    public static IEnumerable<Stmt> All(IEnumerable<Stmt> body) => body.SelectMany(s => s switch
    {
        If i => All(i.Yes).Concat(All(i.No)).Prepend(s),
        Loop l => All(l.Body).Prepend(s),
        _ => [s],
    });

    /// <summary>The expressions of one statement, without those of statements in it.</summary>
    public static IEnumerable<Expr> Own(Stmt s) => s switch
    {
        Assign { Place: PlaceOf } a => [a.Value],
        Assign a => [a.Place, a.Value],
        Do d => [d.Effect],
        Return { Value: { } v } => [v],
        If i => [i.Condition],
        Loop l => [.. l.Condition is { } c ? (Expr[])[c] : [], .. l.Start is { } start ? Own(start) : [], .. l.Step is { } step ? Own(step) : []],
        _ => [],
    };

    // What stands behind an if that always leaves needs no else.
    private static void Flatten(List<Stmt> body)
    {
        for (int at = 0; at < body.Count; at++)
        {
            if (body[at] is Loop loop)
                Flatten(loop.Body);
            if (body[at] is not If i)
                continue;
            Flatten(i.Yes);
            Flatten(i.No);
            if (i.No.Count > 0 && Leaves(i.Yes))
            {
                body[at] = new If(i.Condition, i.Yes, []);
                body.InsertRange(at + 1, i.No);
            }
            else if (Leaves(i.No))
            {
                body[at] = new If(Code.Not(i.Condition), i.No, []);
                body.InsertRange(at + 1, i.Yes);
            }
        }
    }

    private static bool Leaves(List<Stmt> body) => body is [.., Break or Continue or Return or Jump];

    private static void DropLastReturn(List<Stmt> body)
    {
        if (body is [.., Return { Value: null }])
            body.RemoveAt(body.Count - 1);
        if (body is not [.., If last])
            return;
        DropLastReturn(last.Yes);
        DropLastReturn(last.No);
        if (last is { Yes.Count: 0, No.Count: > 0 })
            body[^1] = new If(Code.Not(last.Condition), last.No, []);
        else if (last is { Yes.Count: 0 } && !HasEffect(last.Condition))
            body.RemoveAt(body.Count - 1);
    }

    private static void Loops(List<Stmt> body)
    {
        for (int at = 0; at < body.Count; at++)
        {
            if (body[at] is If i)
            {
                Loops(i.Yes);
                Loops(i.No);
            }
            if (body[at] is not Loop loop)
                continue;
            Loops(loop.Body);
            body[at] = loop = While(loop);
            if (For(loop, at > 0 ? body[at - 1] as Assign : null) is not { } counting)
                continue;
            body[at] = counting;
            if (counting.Start is not null)
                body.RemoveAt(--at);
        }
    }

    // while (1) { if (c) { … } else break; }
    private static Loop While(Loop loop)
    {
        if (loop.Body is [If { Yes: [Break], No: [] } leave, ..])
            return new Loop(loop.Body[1..]) { Condition = Code.Not(leave.Condition) };
        if (loop.Body is [If { Yes: [Break] } stop] && stop.No.Count > 0)
            return new Loop(stop.No) { Condition = Code.Not(stop.Condition) };
        return loop.Body is [If { No: [Break] } go] ? new Loop(go.Yes) { Condition = go.Condition } : loop;
    }

    // i = a; while (i < n) { …; i++; }
    private static Loop? For(Loop loop, Assign? before)
    {
        if (loop.Condition is not { } condition || loop.Body is not [.., Assign { Place: PlaceOf { Variable: var counter }, Value: Binary { Op: "+" or "-", Left: Read { Variable: var stepped } } } step]
            || counter != stepped || !Code.Reads(condition, counter) || Own(loop.Body).Any(s => s is Continue))
        {
            return null;
        }
        List<Stmt> body = loop.Body[..^1];
        if (body is [.., Label end])
            Continues(body, end.Id);
        bool starts = before is { Place: PlaceOf p } && p.Variable == counter && !Code.Reads(before.Value, counter);
        return new Loop(body) { Condition = condition, Start = starts ? before : null, Step = step };
    }

    // The statements of a loop's body that its break and continue belong to.
    private static IEnumerable<Stmt> Own(List<Stmt> body) => body.SelectMany(s => s is If i ? Own(i.Yes).Concat(Own(i.No)).Prepend(s) : [s]);

    private static void Continues(List<Stmt> body, int label)
    {
        for (int i = 0; i < body.Count; i++)
        {
            if (body[i] is Jump j && j.Label == label)
                body[i] = new Continue();
            if (body[i] is If nested)
            {
                Continues(nested.Yes, label);
                Continues(nested.No, label);
            }
        }
    }

    private static Dictionary<Variable, (int Reads, int Writes)> Count(List<Stmt> body)
    {
        var counts = new Dictionary<Variable, (int Reads, int Writes)>();
        void Add(Variable v, int reads, int writes) => counts[v] = counts.GetValueOrDefault(v) is var c ? (c.Reads + reads, c.Writes + writes) : default;
        void See(Expr e)
        {
            if (e is Read r)
                Add(r.Variable, 1, 0);
            else if (e is PlaceOf p)
                Add(p.Variable, 2, 2);
            foreach (Expr part in Code.Parts(e))
                See(part);
        }
        foreach (Stmt s in All(body))
        {
            foreach (Expr e in Own(s))
                See(e);
            foreach (Assign? a in (Assign?[])[s as Assign, (s as Loop)?.Start, (s as Loop)?.Step])
            {
                if (a?.Place is PlaceOf p)
                    Add(p.Variable, 0, 1);
            }
        }
        return counts;
    }

    private static bool Merge(List<Stmt> body, Dictionary<Variable, (int Reads, int Writes)> counts)
    {
        for (int i = 0; i < body.Count; i++)
        {
            if (body[i] is If { Yes: [Assign { Place: PlaceOf a } yes], No: [Assign { Place: PlaceOf b } no] } choice && a.Variable == b.Variable && a.Variable.IsTemporary
                && !HasEffect(yes.Value) && !HasEffect(no.Value))
            {
                body[i] = new Assign(a, Choice(choice.Condition, Code.As(a.Variable.Type, yes.Value), Code.As(a.Variable.Type, no.Value)));
                return true;
            }
            if (body[i] is If nested && (Merge(nested.Yes, counts) || Merge(nested.No, counts)))
                return true;
            if (body[i] is Loop loop && Merge(loop.Body, counts))
                return true;
            if (body[i] is Assign { Place: PlaceOf { Variable: { IsTemporary: true } unread } } result && counts.GetValueOrDefault(unread).Reads == 0)
            {
                if (HasEffect(result.Value))
                    body[i] = new Do(result.Value);
                else
                    body.RemoveAt(i);
                return true;
            }
            if (i + 1 < body.Count && body[i] is Assign { Place: PlaceOf { Variable: { IsTemporary: true } t } } set && counts.GetValueOrDefault(t) == (1, 1)
                && Substitute(body[i + 1], t, set.Value) is { } merged)
            {
                body[i + 1] = merged;
                body.RemoveAt(i);
                return true;
            }
        }
        return false;
    }

    private static bool HasEffect(Expr e) => Code.Any(e, x => x is Call { HasEffect: true });

    private static Expr Choice(Expr condition, Expr yes, Expr no) => (yes, no) switch
    {
        (_, IntLiteral { Value: 0 }) when Code.IsTest(yes) => new Binary("&&", condition, yes, CType.Int),
        (IntLiteral { Value: 1 }, _) when Code.IsTest(no) => new Binary("||", condition, no, CType.Int),
        (IntLiteral { Value: 1 }, IntLiteral { Value: 0 }) => condition,
        (IntLiteral { Value: 0 }, IntLiteral { Value: 1 }) => Code.Not(condition),
        _ => new Choose(condition, yes, no),
    };

    // The next statement with the temporary's value in its place; null where it does not read it once, before anything changes.
    private static Stmt? Substitute(Stmt next, Variable t, Expr value)
    {
        if (next is Loop || !Own(next).Any(e => Code.Reads(e, t)))
            return null;
        // C does not say which of an effect and another part of its statement comes first; an effect's arguments do.
        if (HasEffect(value) ? next is not (Return { Value: Read } or Assign { Place: PlaceOf, Value: Read }) : next is Assign { Place: not PlaceOf and var target } other && HasEffect(other.Value) && Code.Reads(target, t))
            return null;
        value = Code.As(t.Type, value);
        Expr In(Expr e) => Code.Rewrite(e, x => x is Read r && r.Variable == t ? value : x is Binary { Op: "!=", Left: var test, Right: IntLiteral { Value: 0 } } && Code.IsTest(test) ? test : x);
        return next switch
        {
            Assign a => new Assign(a.Place is PlaceOf ? a.Place : In(a.Place), In(a.Value)),
            Do d => new Do(In(d.Effect)),
            Return { Value: { } v } => new Return(In(v)),
            If i => i with { Condition = In(i.Condition) },
            _ => null,
        };
    }

    private static void Labels(List<Stmt> body, HashSet<int> used)
    {
        body.RemoveAll(s => s is Label l && !used.Contains(l.Id));
        foreach (Stmt s in body)
        {
            if (s is If i)
            {
                Labels(i.Yes, used);
                Labels(i.No, used);
            }
            else if (s is Loop l)
            {
                Labels(l.Body, used);
            }
        }
    }
}
