using System.Reflection;
using Marrow.Formats;

namespace Marrow.Engine.Jit;

/// <summary>
/// Runs a method's IL on a stack of expressions and leaves flow blocks of statements. Constant parameters, locals that hold one constant,
/// and branches on constants disappear here, so that array sizes and loop bounds come out as numbers.
/// </summary>
internal sealed partial class FunctionReader
{
    private const string Delegates = "a delegate; use a type parameter with static abstract members";

    private readonly MethodBase _method;
    private readonly TranslationUnit _unit;
    private readonly MethodSymbols _symbols;
    private readonly bool _isKernel;
    private readonly List<Instruction> _il;
    private readonly SortedDictionary<int, FlowBlock> _blocks = [];
    private readonly Dictionary<int, List<FlowBlock>> _entries = [];
    private readonly HashSet<int> _done = [];
    private readonly Expr?[] _arguments;
    private readonly Variable?[] _locals;
    private readonly Expr?[] _fixedLocals;
    private readonly int[] _writes;
    private readonly bool[] _addressed;
    private List<Expr> _stack = [];
    private FlowBlock _block = null!;
    private Instruction _now = null!;
    private Type? _constrained;

    public FunctionReader(MethodBase method, IReadOnlyList<long?> constants, bool isKernel, TranslationUnit unit)
    {
        (_method, _unit, _isKernel) = (method, unit, isKernel);
        _symbols = MethodSymbols.Of(method);
        _il = IlReader.Read(method);
        ParameterInfo[] parameters = method.GetParameters();
        _arguments = new Expr?[parameters.Length];
        for (int i = 0; i < parameters.Length; i++)
        {
            CType type = CType.Of(parameters[i].ParameterType) ?? throw Refuse($"parameter {parameters[i].Name} has type {parameters[i].ParameterType.Name}");
            if (i < constants.Count && constants[i] is { } value)
            {
                _arguments[i] = type.IsFloat ? new FloatLiteral(BitConverter.Int32BitsToSingle((int)value)) : new IntLiteral(Code.Wrap(value, type), type);
                continue;
            }
            var parameter = new Variable(TranslationUnit.Identifier(Names, parameters[i].Name!), type) { IsParameter = true };
            Parameters.Add((i, parameter));
            _arguments[i] = new Read(parameter);
        }
        int locals = method.GetMethodBody()!.LocalVariables.Count;
        (_locals, _fixedLocals, _writes, _addressed) = (new Variable?[locals], new Expr?[locals], new int[locals], new bool[locals]);
        foreach (Instruction i in _il)
        {
            if (i.Name.StartsWith("stloc", StringComparison.Ordinal))
                _writes[i.Slot]++;
            else if (i.Name.StartsWith("ldloca", StringComparison.Ordinal))
                _addressed[i.Slot] = true;
        }
    }

    /// <summary>The parameters that remain, with their positions.</summary>
    public List<(int Position, Variable Variable)> Parameters { get; } = [];

    /// <summary>Locals, temporaries and arrays, to be declared.</summary>
    public List<Variable> Variables { get; } = [];

    /// <summary>The names taken in this function.</summary>
    public HashSet<string> Names { get; } = [];

    /// <summary>The blocks in IL order, the first is the entry.</summary>
    public List<FlowBlock> Blocks()
    {
        Visit(_blocks[0] = new FlowBlock(0), []);
        // The lowest block that something leads to comes next: both arms of a ?: come before the place where they meet.
        while (_entries.Keys.Where(k => !_done.Contains(k)).Order().FirstOrDefault(-1) is int next and >= 0)
            Visit(_blocks[next], Meet(_blocks[next]));
        return [.. _blocks.Values.Where(b => _done.Contains(b.Start))];
    }

    private void Visit(FlowBlock block, List<Expr> stack)
    {
        _done.Add(block.Start);
        (_block, _stack) = (block, stack);
        int at = _il.FindIndex(i => i.At == block.Start);
        HashSet<int> targets = [.. _il.Where(i => i.Operand is int && IsBranch(i)).Select(i => (int)i.Operand!)];
        for (; at < _il.Count; at++)
        {
            _now = _il[at];
            if (_now.At != block.Start && targets.Contains(_now.At))
            {
                GoTo(_now.At);
                return;
            }
            if (Step(_now))
                return;
        }
    }

    private static bool IsBranch(Instruction i) => i.Code.FlowControl is System.Reflection.Emit.FlowControl.Branch or System.Reflection.Emit.FlowControl.Cond_Branch;

    // ---- where ways meet ----

    private FlowBlock Way(int target)
    {
        if (!_blocks.TryGetValue(target, out FlowBlock? to))
            _blocks[target] = to = new FlowBlock(target);
        if (_done.Contains(target) && _stack.Count > 0)
            throw Refuse("a value is kept across a loop's jump back; put it into a local variable");
        if (!_entries.TryGetValue(target, out List<FlowBlock>? from))
            _entries[target] = from = [];
        if (!from.Contains(_block))
            from.Add(_block);
        return to;
    }

    private void GoTo(int target)
    {
        Keep();
        _block.Next = Way(target);
    }

    private void Branch(Expr condition, int yes, int no)
    {
        if (condition is IntLiteral known)
        {
            GoTo(known.Value != 0 ? yes : no);
            return;
        }
        Keep();
        (_block.Condition, _block.Next, _block.Otherwise) = (condition, Way(yes), Way(no));
    }

    // What stays on the stack at a block's end must not depend on memory that later blocks change.
    private void Keep()
    {
        for (int i = 0; i < _stack.Count; i++)
        {
            if (Code.ReadsMemory(_stack[i]))
                _stack[i] = Temporary(_stack[i]);
        }
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
            Variable joined = NewVariable("t", type, isTemporary: true);
            foreach (FlowBlock f in from)
                f.Body.Add(new Assign(new PlaceOf(joined), f.Left[i]));
            stack.Add(new Read(joined));
        }
        return stack;
    }

    // ---- the stack ----

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

    private Variable NewVariable(string name, CType type, int? count = null, bool isTemporary = false)
    {
        var variable = new Variable(TranslationUnit.Identifier(Names, name), type) { Count = count, IsTemporary = isTemporary };
        Variables.Add(variable);
        return variable;
    }

    private Expr Temporary(Expr value)
    {
        if (value is ElementAt { Pointer: var pointer } element && !Code.ReadsMemory(pointer))
            return new ElementAt(pointer, Temporary(element.Index));
        Variable t = NewVariable("t", value.Type, isTemporary: true);
        _block.Body.Add(new Assign(new PlaceOf(t), value));
        return new Read(t);
    }

    // An effect comes now: what the stack still wants of the old state is taken first.
    private void Before(Func<Expr, bool> isTouched)
    {
        for (int i = 0; i < _stack.Count; i++)
        {
            if (isTouched(_stack[i]))
                _stack[i] = Temporary(_stack[i]);
        }
    }

    private void SetVariable(Variable variable, Expr value)
    {
        Before(e => Code.Reads(e, variable));
        _block.Body.Add(new Assign(new PlaceOf(variable), value));
    }

    private void Store(Expr place, Expr value)
    {
        if (place is PlaceOf p)
        {
            SetVariable(p.Variable, value);
            return;
        }
        if (place is Member { Place: PlaceOf whole })
            Before(e => Code.Reads(e, whole.Variable));
        else
            Before(Code.ReadsMemory);
        _block.Body.Add(new Assign(place, value));
    }

    private void Effect(Call call)
    {
        Before(Code.ReadsMemory);
        _block.Body.Add(new Do(call));
    }

    // ---- instructions ----

    private bool Step(Instruction i)
    {
        string[] name = i.Name.Split('.');
        bool unsigned = name.Contains("un");
        switch (name[0])
        {
            case "nop" or "volatile" or "readonly" or "unaligned":
                return false;
            case "ldarg":
                Push(_arguments[i.Slot]!);
                return false;
            case "ldarga":
                Push(_arguments[i.Slot] is Read { Variable: var place } ? new PlaceOf(place) : _arguments[i.Slot]!);
                return false;
            case "starg":
                SetVariable(_arguments[i.Slot] is Read { Variable: var argument } ? argument : throw Refuse($"parameter {i.Slot} is constant and is assigned to"), Pop());
                return false;
            case "ldloc":
                Push(_fixedLocals[i.Slot] ?? new Read(Local(i.Slot)));
                return false;
            case "ldloca":
                Push(_fixedLocals[i.Slot] ?? new PlaceOf(Local(i.Slot)));
                return false;
            case "stloc":
                StoreLocal(i.Slot, Pop());
                return false;
            case "ldc":
                Push(Constant(i));
                return false;
            case "add" or "sub" or "mul" or "div" or "rem" or "and" or "or" or "xor" or "shl" or "shr":
                Arithmetic(name[0], unsigned);
                return false;
            case "neg" or "not":
                Negate(name[0] == "neg" ? "-" : "~");
                return false;
            case "ceq" or "cgt" or "clt":
            {
                Expr[] v = Pop(2);
                Push(Compare(name[0], unsigned, v[0], v[1]));
                return false;
            }
            case "conv":
                ConvertTo(name);
                return false;
            case "dup":
                Duplicate();
                return false;
            case "pop":
                if (Pop() is Call { HasEffect: true } dropped)
                    Effect(dropped);
                return false;
            case "br" or "leave":
                GoTo((int)i.Operand!);
                return true;
            case "brtrue" or "brfalse":
            {
                Expr condition = Pop();
                if (condition.Type.IsPointer)
                    throw Refuse("a test whether a view is there; use a [Const] parameter");
                Branch(name[0] == "brtrue" ? Truth(condition) : Code.Not(Truth(condition)), (int)i.Operand!, i.Next);
                return true;
            }
            case "beq" or "bne" or "bge" or "bgt" or "ble" or "blt":
            {
                Expr[] v = Pop(2);
                Branch(Compare(name[0], unsigned, v[0], v[1]), (int)i.Operand!, i.Next);
                return true;
            }
            case "ret":
                _block.Body.Add(new Return(_stack.Count > 0 ? Pop() : null));
                return true;
            case "ldind" or "ldobj":
                Push(Loaded(Pop()));
                return false;
            case "stind" or "stobj":
            {
                Expr[] v = Pop(2);
                Store(v[0], v[1]);
                return false;
            }
            case "initobj":
                Initialise(Pop());
                return false;
            case "ldfld" or "ldflda":
                LoadField(name[0] == "ldflda");
                return false;
            case "stfld":
            {
                Expr[] v = Pop(2);
                Store(new Member(v[0], Component((FieldInfo)i.Operand!)), v[1]);
                return false;
            }
            case "ldsfld":
                Push(StaticValue((FieldInfo)i.Operand!));
                return false;
            case "constrained":
                _constrained = (Type)i.Operand!;
                return false;
            case "newobj":
                Push(NewVector((MethodBase)i.Operand!, Pop(((MethodBase)i.Operand!).GetParameters().Length)));
                return false;
            case "call" or "callvirt":
                CallMethod((MethodBase?)i.Operand ?? throw Refuse("a call that cannot be resolved"));
                return false;
            case "throw":
                throw Refuse("throw: a kernel cannot fail; check on the host before the launch");
            case "switch":
                throw Refuse("switch; use if and else");
            case "newarr" or "ldelem" or "stelem" or "ldlen":
                throw Refuse("an array; use Gpu.Private or Gpu.Shared");
            case "localloc":
                throw Refuse("stackalloc; use Gpu.Private");
            case "ldstr":
                throw Refuse("a string");
            case "ldftn" or "ldvirtftn":
                throw Refuse(Delegates);
            default:
                throw Refuse($"IL instruction {i.Name}");
        }
    }

    private Variable Local(int slot)
    {
        if (_locals[slot] is { } known)
            return known;
        Type type = _method.GetMethodBody()!.LocalVariables[slot].LocalType;
        CType ctype = CType.Of(type) ?? throw Refuse($"a local variable of type {type}");
        return _locals[slot] = NewVariable(_symbols.LocalName(slot) ?? "v", ctype, isTemporary: _symbols.LocalName(slot) is null);
    }

    private void StoreLocal(int slot, Expr value)
    {
        bool once = _writes[slot] == 1 && !_addressed[slot];
        // A local that holds one constant, or names an array, is no variable.
        if (_writes[slot] == 1 && value is Read { Variable: { Count: not null } array })
        {
            if (_symbols.LocalName(slot) is { } name && Names.Remove(array.Name))
                array.Name = TranslationUnit.Identifier(Names, name);
            _fixedLocals[slot] = value;
            return;
        }
        if (once && value is IntLiteral or FloatLiteral)
        {
            _fixedLocals[slot] = value is IntLiteral i ? Converted(CType.Of(_method.GetMethodBody()!.LocalVariables[slot].LocalType) ?? i.Type, i) : value;
            return;
        }
        bool isNew = _locals[slot] is null;
        Variable local = Local(slot);
        // The space of a reference is that of the place it is first set to.
        if (isNew && local.Type.IsPointer)
            local.Type = new CType(local.Type.Scalar, value.Type.Space);
        if (local.Type.IsPointer && local.Type != value.Type)
            throw Refuse($"local {local.Name} is a place in {local.Type.Space} memory and is set to one in {value.Type.Space} memory");
        SetVariable(local, value);
    }

    private MarrowException Refuse(string what)
    {
        string line = _symbols.LineAt(_now?.At ?? 0) is { } place ? $" ({place})" : "";
        return new MarrowException("JT001", $"kernel {_unit.Kernel}: method {_method.DeclaringType!.Name}.{_method.Name}{line} uses {what}, which kernels cannot. [JT001]");
    }
}
