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
        MethodBody source = method.GetMethodBody() ?? throw Refuse("a body that is not IL");
        if (source.ExceptionHandlingClauses.Count > 0)
            throw Refuse("try (or using, lock, foreach)");
        if (isKernel && method is MethodInfo { ReturnType: var returned } && returned != typeof(void))
            throw Refuse($"a result of type {returned.Name} of the kernel itself");
        _il = IlReader.Read(method);
        ParameterInfo[] parameters = method.GetParameters();
        _arguments = new Expr?[parameters.Length];
        for (int i = 0; i < parameters.Length; i++)
        {
            CType type = CType.Of(parameters[i].ParameterType) is { Scalar: not Scalar.Void } known ? known : throw Refuse($"parameter {parameters[i].Name} of type {parameters[i].ParameterType.Name}");
            if (isKernel && type.Space is Space.Private or Space.Shared)
                throw Refuse($"parameter {parameters[i].Name} of type {parameters[i].ParameterType.Name} in the kernel itself");
            if (i < constants.Count && constants[i] is { } value)
            {
                if (!type.IsInteger && !type.IsFloat)
                    throw Refuse($"[Const] parameter {parameters[i].Name} of type {parameters[i].ParameterType.Name}");
                _arguments[i] = type.IsFloat ? new FloatLiteral(BitConverter.Int32BitsToSingle((int)value)) : new IntLiteral(Code.Wrap(value, type), type);
                continue;
            }
            var parameter = new Variable(TranslationUnit.Identifier(Names, parameters[i].Name ?? "", isKernel && type.IsPointer ? KernelHead.Parts : []), type) { IsParameter = true };
            Parameters.Add((i, parameter));
            _arguments[i] = new Read(parameter);
        }
        int locals = source.LocalVariables.Count;
        (_locals, _fixedLocals, _writes, _addressed) = (new Variable?[locals], new Expr?[locals], new int[locals], new bool[locals]);
        foreach (Instruction i in _il)
        {
            if (i.Name.StartsWith("stloc", StringComparison.Ordinal))
                _writes[i.Slot]++;
            else if (i.Name.StartsWith("ldloca", StringComparison.Ordinal))
                _addressed[i.Slot] = true;
            else if (i.Name.StartsWith("ldarga", StringComparison.Ordinal) && _arguments[i.Slot] is Read { Variable: { Type.IsPointer: false } argument })
                argument.IsAddressed = true;
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

    // ---- instructions ----

    private bool Step(Instruction i)
    {
        string[] name = i.Name.Split('.');
        bool unsigned = name.Contains("un");
        if (i.NamesMember && i.Operand is null)
            throw Refuse("a member that cannot be loaded");
        switch (name[0])
        {
            case "nop" or "volatile" or "readonly" or "unaligned":
                return false;
            case "ldarg":
                Push(_arguments[i.Slot]!);
                return false;
            case "ldarga":
                Push(_arguments[i.Slot] is Read { Variable: var place } ? new PlaceOf(place) : throw Refuse($"a reference to parameter {i.Slot}, which is constant"));
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
            case "add" or "sub" or "mul" when name.Contains("ovf"):
                throw Refuse("checked arithmetic");
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
                // Effects have happened already.
                Pop();
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
                _block.Body.Add(new Return(_stack.Count > 0 ? Result(Pop()) : null));
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
                CallMethod((MethodBase)i.Operand!);
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
        Variable local = NewVariable(_symbols.LocalName(slot) ?? "v", ctype, isTemporary: _symbols.LocalName(slot) is null);
        local.IsAddressed = _addressed[slot] && !ctype.IsPointer;
        return _locals[slot] = local;
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
        value = Addressable(value);
        bool isNew = _locals[slot] is null;
        Variable local = Local(slot);
        // The space of a reference is that of the place it is first set to.
        if (isNew && local.Type.IsPointer)
            local.Type = local.Type with { Space = value.Type.Space };
        if (local.Type.IsPointer && local.Type != value.Type)
            throw Refuse($"local {local.Name} is a place in {local.Type.Space} memory and is set to one in {value.Type.Space} memory");
        SetVariable(local, value);
    }

    /// <summary>The error for a construct at IL offset <paramref name="at"/>, or at the instruction that is read now.</summary>
    public MarrowException Refuse(string what, int? at = null)
    {
        string line = _symbols.LineAt(at ?? _now?.At ?? 0) is { } place ? $" ({place})" : "";
        return new MarrowException("JT001", $"kernel {_unit.Name}: method {_method.DeclaringType!.Name}.{_method.Name}{line} uses {what}, which kernels cannot. [JT001]");
    }
}
