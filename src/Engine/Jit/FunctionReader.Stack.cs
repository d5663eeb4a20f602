namespace Marrow.Engine.Jit;

/// <summary>The evaluation stack: values wait on it as expressions, so what an effect would change is taken before it.</summary>
internal sealed partial class FunctionReader
{
    private void Push(Expr e) => _stack.Add(e);

    private Expr Pop()
    {
        Expr e = _stack[^1];
        _stack.RemoveAt(_stack.Count - 1);
        return e;
    }

    private Expr[] Pop(int count)
    {
        Expr[] values = [.. _stack.Skip(_stack.Count - count)];
        _stack.RemoveRange(_stack.Count - count, count);
        return values;
    }

    // What stays on the stack at a block's end must not depend on memory that later blocks change.
    private void Keep()
    {
        Before(Code.ReadsMemory);
        _block.Left = [.. _stack];
    }

    // Values that differ between the ways into a block travel in a variable.
    private List<Expr> Meet(FlowBlock block)
    {
        List<FlowBlock> from = _entries[block.Start];
        int depth = from[0].Left.Count;
        if (from.Any(f => f.Left.Count != depth))
            throw Refuse("values meet that were put on the stack in different numbers");
        var stack = new List<Expr>();
        for (int i = 0; i < depth; i++)
        {
            Expr first = from[0].Left[i];
            if (from.All(f => Code.IsSame(f.Left[i], first)))
            {
                stack.Add(first);
                continue;
            }
            CType type = from.Select(f => f.Left[i].Type).Aggregate((a, b) => a.IsInteger && b.IsInteger && a != b ? (a.Is64 ? a : b.Is64 ? b : CType.Int) : a);
            if (type.IsPointer && from.Any(f => f.Left[i].Type != type))
                throw Refuse("a choice between places in different kinds of memory");
            Variable joined = NewVariable("t", type, isTemporary: true);
            foreach (FlowBlock f in from)
                f.Body.Add(new Assign(new PlaceOf(joined), Addressable(f.Left[i])));
            stack.Add(new Read(joined));
        }
        return stack;
    }

    private Variable NewVariable(string name, CType type, int? count = null, bool isTemporary = false)
    {
        var variable = new Variable(TranslationUnit.Identifier(Names, name), type) { Count = count, IsTemporary = isTemporary };
        Variables.Add(variable);
        return variable;
    }

    private Read Temporary(Expr value)
    {
        Variable t = NewVariable("t", value.Type, isTemporary: true);
        _block.Body.Add(new Assign(new PlaceOf(t), value));
        return new Read(t);
    }

    // The expression as it is now: of a place only what says where it is, since it is not read yet.
    private Expr Taken(Expr e, Func<Expr, bool> isTouched) => !isTouched(e) ? e : e switch
    {
        PlaceOf => e,
        Member m when m.Place.Type.IsPointer => new Member(Taken(m.Place, isTouched), m.Name),
        ElementAt a => new ElementAt(Taken(a.Pointer, isTouched), Taken(a.Index, isTouched)),
        _ => Temporary(e),
    };

    // An effect comes now: what the stack still wants of the old state is taken first.
    private void Before(Func<Expr, bool> isTouched)
    {
        for (int i = 0; i < _stack.Count; i++)
            _stack[i] = Taken(_stack[i], isTouched);
    }

    private void SetVariable(Variable variable, Expr value)
    {
        Before(e => Code.Reads(e, variable) || (variable.IsAddressed && Code.Any(e, x => x is Load { Place: var place } && MayBeLocal(place))));
        _block.Body.Add(new Assign(new PlaceOf(variable), Code.Wrapping(variable.Type, value)));
    }

    private void Store(Expr place, Expr value)
    {
        if (place is PlaceOf p)
        {
            SetVariable(p.Variable, value);
            return;
        }
        BeforeStore(place);
        _block.Body.Add(new Assign(place, Code.Wrapping(place.Type.Element, value)));
    }

    private void BeforeStore(Expr place)
    {
        Expr root = place;
        while (root is Member m)
            root = m.Place;
        if (root is PlaceOf whole)
            Before(e => Code.Reads(e, whole.Variable) || (whole.Variable.IsAddressed && Code.ReadsMemory(e)));
        else if (MayBeLocal(root))
            Before(e => Code.ReadsMemory(e) || Code.Any(e, x => x is Read { Variable.IsAddressed: true }));
        else
            Before(Code.ReadsMemory);
    }

    // A reference that may lead to a local variable, which is read by its name elsewhere.
    private static bool MayBeLocal(Expr place) => place switch
    {
        Member m => m.Place.Type.IsPointer && MayBeLocal(m.Place),
        ElementAt a => MayBeLocal(a.Pointer),
        PlaceOf or Read { Variable.Count: not null } => false,
        _ => place.Type.Space == Space.Private,
    };

    // A call may write wherever its arguments lead.
    private void Effect(Call call)
    {
        BeforeCall(call);
        _block.Body.Add(new Do(call));
    }

    private void BeforeCall(Call call)
    {
        Before(Code.ReadsMemory);
        foreach (Expr argument in call.Arguments.Where(a => a.Type.IsPointer))
            BeforeStore(argument);
    }

    // OpenCL has no address of a vector's component.
    private Expr Addressable(Expr value) => value is Member && value.Type.IsPointer ? throw Refuse("a reference to a component of a vector; pass the vector, or a copy") : value;
}
