namespace Marrow.Engine.Jit;

/// <summary>
/// Puts flow blocks back into if, loops, break and continue, by the dominator tree (after Ramsey, Beyond Relooper, ICFP 2022). What does not
/// nest becomes a forward goto; irreducible flow, which C# makes only of a goto into a loop of gotos, is refused.
/// </summary>
internal sealed class Structure
{
    private readonly List<FlowBlock> _order = [];
    private readonly Dictionary<FlowBlock, int> _rank = [];
    private readonly Dictionary<FlowBlock, List<FlowBlock>> _from = [];
    private readonly Dictionary<FlowBlock, FlowBlock> _dominator = [];
    private readonly Dictionary<FlowBlock, HashSet<FlowBlock>> _loops = [];
    private readonly Dictionary<FlowBlock, FlowBlock> _after = [];

    private Structure(FlowBlock entry, FunctionReader reader)
    {
        Walk(entry, []);
        _order.Reverse();
        for (int i = 0; i < _order.Count; i++)
            _rank[_order[i]] = i;
        foreach (FlowBlock block in _order)
            _from[block] = [];
        foreach (FlowBlock block in _order)
            foreach (FlowBlock way in block.Ways)
                _from[way].Add(block);
        FindDominators(entry);
        foreach (FlowBlock block in _order)
        {
            if (block.Ways.FirstOrDefault(w => IsBack(block, w) && Common(w, block) != w) is { } target)
                throw reader.Refuse("goto into a loop", target.Start);
        }
        FindLoops();
    }

    /// <summary>Where control is within the printed text.</summary>
    /// <param name="Follow">The block that is reached by doing nothing more.</param>
    /// <param name="Header">The innermost loop's header: reached by continue.</param>
    /// <param name="BreakTo">What follows the innermost loop: reached by break.</param>
    private readonly record struct Place(FlowBlock? Follow, FlowBlock? Header, FlowBlock? BreakTo);

    /// <summary>The statements of a function.</summary>
    public static List<Stmt> Of(FunctionReader reader)
    {
        List<FlowBlock> blocks = reader.Blocks();
        JoinConditions(blocks);
        var body = new List<Stmt>();
        new Structure(blocks[0], reader).Tree(blocks[0], new Place(null, null, null), body);
        return body;
    }

    // if (a) if (b) X else Y else Y  becomes  if (a && b) X else Y, where b needs no statement.
    private static void JoinConditions(List<FlowBlock> blocks)
    {
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (FlowBlock a in blocks)
            {
                if (a.Condition is null || a.Otherwise is null)
                    continue;
                foreach (FlowBlock b in (FlowBlock[])[a.Next!, a.Otherwise])
                {
                    if (b == a || b.Condition is null || b.Otherwise is null || b.Body.Count > 0 || blocks.Sum(x => x.Ways.Count(w => w == b)) != 1)
                        continue;
                    FlowBlock other = b == a.Next ? a.Otherwise : a.Next!;
                    if (b.Next != other && b.Otherwise != other)
                        continue;
                    Expr first = a.Condition, second = b.Condition;
                    bool isOr = b.Next == other;
                    if (b == a.Next == isOr)
                        first = Code.Not(first);
                    a.Condition = new Binary(isOr ? "||" : "&&", first, second, CType.Int);
                    (a.Next, a.Otherwise) = (b.Next, b.Otherwise);
                    (b.Condition, b.Next, b.Otherwise) = (null, null, null);
                    changed = true;
                    break;
                }
            }
        }
    }

    private void Walk(FlowBlock block, HashSet<FlowBlock> seen)
    {
        if (!seen.Add(block))
            return;
        // The way taken when a condition holds comes first in the text, so it is walked last.
        foreach (FlowBlock way in block.Ways.Reverse())
            Walk(way, seen);
        _order.Add(block);
    }

    private void FindDominators(FlowBlock entry)
    {
        _dominator[entry] = entry;
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (FlowBlock block in _order.Skip(1))
            {
                FlowBlock? best = null;
                foreach (FlowBlock from in _from[block].Where(_dominator.ContainsKey))
                    best = best is null ? from : Common(best, from);
                if (best is not null && (!_dominator.TryGetValue(block, out FlowBlock? known) || known != best))
                {
                    _dominator[block] = best;
                    changed = true;
                }
            }
        }
    }

    private FlowBlock Common(FlowBlock a, FlowBlock b)
    {
        while (a != b)
        {
            while (_rank[a] > _rank[b])
                a = _dominator[a];
            while (_rank[b] > _rank[a])
                b = _dominator[b];
        }
        return a;
    }

    private bool IsBack(FlowBlock from, FlowBlock to) => _rank[to] <= _rank[from];

    private void FindLoops()
    {
        foreach (FlowBlock header in _order)
        {
            var body = new HashSet<FlowBlock> { header };
            var open = new Stack<FlowBlock>(_from[header].Where(f => IsBack(f, header)));
            if (open.Count == 0)
                continue;
            while (open.TryPop(out FlowBlock? block))
            {
                if (!body.Add(block))
                    continue;
                foreach (FlowBlock from in _from[block])
                    open.Push(from);
            }
            _loops[header] = body;
            // The only way out of a loop is what stands behind it, wherever it is taken.
            FlowBlock[] exits = [.. body.SelectMany(b => b.Ways).Where(w => !body.Contains(w)).Distinct()];
            if (exits.Length == 1 && !IsBack(header, exits[0]) && body.Contains(_dominator[exits[0]]))
                _after[exits[0]] = header;
        }
    }

    // A block that several ways lead to, or that stands behind a loop, is printed once, in its dominator's sequence.
    private bool IsPlaced(FlowBlock block) => _from[block].Count(f => !IsBack(f, block)) > 1 || _after.ContainsKey(block)
        || (_dominator[block] is var d && d != block && _loops.TryGetValue(d, out HashSet<FlowBlock>? loop) && !loop.Contains(block));

    // Behind nested loops the outermost one that the block has left decides.
    private FlowBlock Owner(FlowBlock block) => _after.TryGetValue(block, out FlowBlock? header) ? header : _dominator[block];

    private List<FlowBlock> PlacedUnder(FlowBlock block) => [.. _order.Where(b => b != block && IsPlaced(b) && Owner(b) == block)];

    private void Tree(FlowBlock block, Place place, List<Stmt> to)
    {
        List<FlowBlock> placed = PlacedUnder(block);
        if (_loops.TryGetValue(block, out HashSet<FlowBlock>? loop))
        {
            List<FlowBlock> behind = [.. placed.Where(b => !loop.Contains(b))];
            FlowBlock? next = behind.Count > 0 ? behind[0] : place.Follow;
            var body = new List<Stmt>();
            Sequence(block, [.. placed.Where(loop.Contains)], new Place(block, block, next), body);
            // Where an inner loop goes on with this one.
            if (Tidy.All(body).Any(s => s is Jump j && j.Label == Again(block)))
                body.Add(new Label(Again(block)));
            to.Add(new Loop(body));
            for (int i = 0; i < behind.Count; i++)
                Placed(behind[i], place with { Follow = i + 1 < behind.Count ? behind[i + 1] : place.Follow }, to);
            return;
        }
        Sequence(block, placed, place, to);
    }

    private void Sequence(FlowBlock block, List<FlowBlock> placed, Place place, List<Stmt> to)
    {
        Leave(block, place with { Follow = placed.Count > 0 ? placed[0] : place.Follow }, to);
        for (int i = 0; i < placed.Count; i++)
            Placed(placed[i], place with { Follow = i + 1 < placed.Count ? placed[i + 1] : place.Follow }, to);
    }

    private void Placed(FlowBlock block, Place place, List<Stmt> to)
    {
        to.Add(new Label(block.Start));
        Tree(block, place, to);
    }

    private void Leave(FlowBlock block, Place place, List<Stmt> to)
    {
        to.AddRange(block.Body);
        if (block.Condition is { } condition && block.Otherwise is { } otherwise)
        {
            List<Stmt> yes = [], no = [];
            Go(block, block.Next!, place, yes);
            Go(block, otherwise, place, no);
            // Arms stand in the order of the source; an empty first one is turned round.
            if (no.Count > 0 && (yes.Count == 0 || (otherwise.Start < block.Next!.Start && otherwise.Start > block.Start)))
                (condition, yes, no) = (Code.Not(condition), no, yes);
            if (yes.Count > 0)
                to.Add(new If(condition, yes, no));
        }
        else if (block.Next is { } next)
        {
            Go(block, next, place, to);
        }
    }

    // The label at the end of a loop's body; that of a block is where its IL starts.
    private static int Again(FlowBlock header) => ~header.Start;

    private void Go(FlowBlock from, FlowBlock target, Place place, List<Stmt> to)
    {
        if (target == place.Follow)
            return;
        if (target == place.Header)
            to.Add(new Continue());
        else if (target == place.BreakTo && place.Header is not null)
            to.Add(new Break());
        else if (IsBack(from, target))
            to.Add(new Jump(Again(target)));
        else if (IsPlaced(target))
            to.Add(new Jump(target.Start));
        else
            Tree(target, place, to);
    }
}
