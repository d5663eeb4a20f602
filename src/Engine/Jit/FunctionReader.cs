using System.Numerics;
using System.Reflection;
using Marrow.Formats;

namespace Marrow.Engine.Jit;

/// <summary>
/// Runs a method's IL on a stack of expressions and leaves flow blocks of statements. Constant parameters, locals that hold one constant,
/// and branches on constants disappear here, so that array sizes and loop bounds come out as numbers.
/// </summary>
internal sealed class FunctionReader
{
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
                throw Refuse("a delegate; use a type parameter with static abstract members");
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
            if (_symbols.LocalName(slot) is { } name)
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

    private static Expr Constant(Instruction i) => i.Operand switch
    {
        int n => new IntLiteral(n, CType.Int),
        long n => new IntLiteral(n, new CType(Scalar.Long)),
        float f => new FloatLiteral(f),
        null => new IntLiteral(i.Name.EndsWith("m1", StringComparison.OrdinalIgnoreCase) ? -1 : i.Name[^1] - '0', CType.Int),
        double d when (float)d == d => new FloatLiteral((float)d),
        _ => throw new MarrowException("JT001", $"IL constant {i.Operand} is of double precision. [JT001]"),
    };

    private void Arithmetic(string name, bool unsigned)
    {
        Expr[] v = Pop(2);
        (Expr a, Expr b) = (v[0], v[1]);
        if (a.Type.IsPointer || b.Type.IsPointer || a.Type.Scalar == Scalar.Float4 || b.Type.Scalar == Scalar.Float4)
            throw Refuse($"{name} of a {a.Type} and a {b.Type}");
        string op = name switch { "add" => "+", "sub" => "-", "mul" => "*", "div" => "/", "rem" => "%", "and" => "&", "or" => "|", "xor" => "^", "shl" => "<<", _ => ">>" };
        if (a.Type.IsFloat || b.Type.IsFloat)
        {
            if (op == "%")
                throw Refuse("the remainder of fp32 values");
            Push(new Binary(op, a, b, CType.Float));
            return;
        }
        bool is64 = a.Type.Is64 || (op is not ("<<" or ">>") && b.Type.Is64);
        CType signed = new(is64 ? Scalar.Long : Scalar.Int), plain = new(is64 ? Scalar.ULong : Scalar.UInt);
        CType type = op is "/" or "%" or ">>" ? unsigned ? plain : signed
            : a.Type.IsUnsigned || (b.Type.IsUnsigned && op != "<<") ? plain : signed;
        a = Converted(type, a);
        b = op is "<<" or ">>" ? b : Converted(type, b);
        Push(Code.Fold(op, a, b, type));
    }

    // A change of type that C would not make by itself.
    private static Expr Converted(CType type, Expr e) => e.Type == type ? e
        : e is IntLiteral i ? new IntLiteral(Code.Wrap(i.Value, type), type)
        : !e.Type.Is64 && !type.Is64 && !type.IsUnsigned && !e.Type.IsUnsigned && type.IsInteger ? e
        : new Conversion(type, e);

    private void Negate(string op)
    {
        Expr v = Pop();
        Push(v switch
        {
            IntLiteral i => new IntLiteral(Code.Wrap(op == "-" ? -i.Value : ~i.Value, i.Type), i.Type),
            FloatLiteral f => new FloatLiteral(-f.Value),
            _ => new Unary(op, v, v.Type.Bytes < 4 ? CType.Int : v.Type),
        });
    }

    private static Expr Truth(Expr e) => e is Binary { Op: "<" or ">" or "<=" or ">=" or "==" or "!=" or "&&" or "||" } or Unary { Op: "!" } or IntLiteral ? e : new Binary("!=", e, new IntLiteral(0, e.Type), CType.Int);

    private Expr Compare(string name, bool unsigned, Expr a, Expr b)
    {
        if (a.Type.IsPointer || b.Type.IsPointer)
            throw Refuse("a comparison of places");
        string op = name switch { "ceq" or "beq" => "==", "bne" => "!=", "cgt" or "bgt" => ">", "clt" or "blt" => "<", "bge" => ">=", _ => "<=" };
        if (a.Type.IsFloat || b.Type.IsFloat)
        {
            // An unordered comparison of floats is the opposite of the ordered opposite.
            if (unsigned && op is not ("==" or "!="))
                return new Unary("!", new Binary(op switch { ">" => "<=", "<" => ">=", ">=" => "<", _ => ">" }, a, b, CType.Int), CType.Int);
            return new Binary(op, a, b, CType.Int);
        }
        // The test of a comparison's result.
        if (op is "==" or "!=" && b is IntLiteral { Value: 0 } && Truth(a) == a && a is not IntLiteral)
            return op == "==" ? Code.Not(a) : a;
        bool is64 = a.Type.Is64 || b.Type.Is64;
        if (op is "==" or "!=")
        {
            if (a.Type.IsUnsigned != b.Type.IsUnsigned)
                (a, b) = (Converted(new CType(is64 ? Scalar.ULong : Scalar.UInt), a), Converted(new CType(is64 ? Scalar.ULong : Scalar.UInt), b));
            return Code.Fold(op, a, b, CType.Int);
        }
        var type = new CType(unsigned ? is64 ? Scalar.ULong : Scalar.UInt : is64 ? Scalar.Long : Scalar.Int);
        return Code.Fold(op, Converted(type, a), Converted(type, b), CType.Int);
    }

    private void ConvertTo(string[] name)
    {
        Expr v = Pop();
        if (name.Contains("ovf"))
            throw Refuse("a checked conversion");
        if (v.Type.IsPointer)
            throw Refuse("a conversion of a place");
        switch (name[1])
        {
            case "r":
                Push(new Conversion(CType.Float, Converted(new CType(v.Type.Is64 ? Scalar.ULong : Scalar.UInt), v)));
                break;
            case "r4":
                Push(v.Type.IsFloat ? v : v is IntLiteral i && Math.Abs(i.Value) < 1 << 24 ? new FloatLiteral(i.Value) : new Conversion(CType.Float, v));
                break;
            case "r8":
                throw Refuse("double precision; use MathF and float");
            case "i" or "u":
                throw Refuse("a native integer; use int or long");
            case "i8":
                // Sign-extended from 32 bits whatever the type was.
                Push(Converted(new CType(Scalar.Long), v.Type.IsFloat || v.Type.Is64 ? v : Converted(CType.Int, v)));
                break;
            case "u8":
                Push(Converted(new CType(Scalar.ULong), v.Type.IsFloat || v.Type.Is64 ? v : Converted(new CType(Scalar.UInt), v)));
                break;
            default:
                Push(Narrowed(new CType(name[1] switch
                {
                    "i1" => Scalar.SByte, "u1" => Scalar.Byte, "i2" => Scalar.Short, "u2" => Scalar.UShort, "u4" => Scalar.UInt, "i4" => Scalar.Int,
                    _ => throw Refuse($"conversion to {name[1]}"),
                }), v));
                break;
        }
    }

    private static Expr Narrowed(CType type, Expr v) => v.Type == type ? v : v is IntLiteral i ? new IntLiteral(Code.Wrap(i.Value, type), type) : new Conversion(type, v);

    private void Duplicate()
    {
        Expr v = Pop();
        bool simple = v is Read or IntLiteral or FloatLiteral or PlaceOf
            || (v is ElementAt or Member && !Code.ReadsMemory(v) && !Code.Any(v, e => e is Call));
        if (!simple)
            v = Temporary(v);
        Push(v);
        Push(v);
    }

    private static Expr Loaded(Expr place) => place is PlaceOf p ? new Read(p.Variable) : new Load(place);

    private void Initialise(Expr place)
    {
        if (place is PlaceOf { Variable.Type.Scalar: Scalar.Float4 } p)
            SetVariable(p.Variable, Vector(new FloatLiteral(0), new FloatLiteral(0), new FloatLiteral(0), new FloatLiteral(0)));
        else if (place is PlaceOf { Variable.Type.IsPointer: false } v)
            SetVariable(v.Variable, v.Variable.Type.IsFloat ? new FloatLiteral(0) : new IntLiteral(0, v.Variable.Type));
        else
            throw Refuse("default of a view");
    }

    private void LoadField(bool address)
    {
        string component = Component((FieldInfo)_now.Operand!);
        var member = new Member(Pop(), component);
        Push(address ? member : new Load(member));
    }

    private string Component(FieldInfo field) => field.DeclaringType == typeof(Vector4) ? field.Name.ToLowerInvariant()
        : throw Refuse($"field {field.DeclaringType!.Name}.{field.Name}; a kernel's only structs are views and Vector4");

    private Expr StaticValue(FieldInfo field)
    {
        if (!field.IsInitOnly || CType.Of(field.FieldType) is not { IsPointer: false })
            throw Refuse($"static field {field.DeclaringType!.Name}.{field.Name}; only readonly numbers can be read");
        return LiteralOf(field.GetValue(null)!);
    }

    private Expr LiteralOf(object value) => value switch
    {
        float f => new FloatLiteral(f),
        bool b => new IntLiteral(b ? 1 : 0, CType.Int),
        int or uint or byte or sbyte or short or ushort => new IntLiteral(Convert.ToInt64(value, null), CType.Of(value.GetType())!.Value),
        long n => new IntLiteral(n, new CType(Scalar.Long)),
        ulong n => new IntLiteral((long)n, new CType(Scalar.ULong)),
        _ => throw Refuse($"a constant of type {value.GetType().Name}"),
    };

    private static Call Vector(params Expr[] parts) => new("make_f4({0}, {1}, {2}, {3})", parts, new CType(Scalar.Float4));

    private Call NewVector(MethodBase constructor, Expr[] arguments)
    {
        if (constructor.DeclaringType != typeof(Vector4) || arguments.Any(a => !a.Type.IsFloat))
            throw Refuse($"an object of type {constructor.DeclaringType!.Name}");
        return arguments.Length switch
        {
            4 => Vector(arguments),
            1 => Splat(arguments[0]),
            _ => throw Refuse("this constructor of Vector4; give one number or four"),
        };
    }

    private Call Splat(Expr value)
    {
        Expr v = value is Read or FloatLiteral ? value : Temporary(value);
        return Vector(v, v, v, v);
    }

    // ---- calls ----

    private void CallMethod(MethodBase method)
    {
        if (_constrained is { } type)
        {
            _constrained = null;
            method = Implementation(type, method);
        }
        ParameterInfo[] parameters = method.GetParameters();
        Type owner = method.DeclaringType!;
        if (owner.IsGenericType && owner.GetGenericTypeDefinition() is var open && (open == typeof(View<>) || open == typeof(Shared<>) || open == typeof(Private<>)))
        {
            Expr[] arguments = Pop(parameters.Length);
            Expr self = Pop();
            ViewMember(method, self is PlaceOf p ? new Read(p.Variable) : self is Load or Read ? self : Loaded(self), arguments);
            return;
        }
        if (owner == typeof(Gpu) && GroupMember((MethodInfo)method))
            return;
        if (owner == typeof(Vector4) && VectorMember(method))
            return;
        if (!method.IsStatic || method is not MethodInfo function)
            throw Refuse($"{owner.Name}.{method.Name}: only static methods can be called");
        CType result = CType.Of(function.ReturnType) ?? throw Refuse($"{owner.Name}.{method.Name} returns {function.ReturnType.Name}");
        Expr[] values = Pop(parameters.Length);
        if (Intrinsics.Pure(method, _unit.Language) is { } text)
        {
            Push(Constants(function, values) ?? (Expr)new Call(text, values, result));
            return;
        }
        if (parameters.Length == 0 && (owner.Namespace ?? "").StartsWith("Marrow", StringComparison.Ordinal) && function.Name.StartsWith("get_", StringComparison.Ordinal) && !UsesDevice(function))
        {
            Push(LiteralOf(function.Invoke(null, null)!));
            return;
        }
        if (owner.Assembly == typeof(object).Assembly || owner.Assembly == typeof(Vector4).Assembly)
            throw Refuse($"{owner.Name}.{method.Name} has no counterpart on devices");
        CallFunction(function, parameters, values, result);
    }

    private void CallFunction(MethodInfo function, ParameterInfo[] parameters, Expr[] values, CType result)
    {
        bool pure = true;
        for (int i = 0; i < values.Length; i++)
        {
            CType want = CType.Of(parameters[i].ParameterType) ?? throw Refuse($"{function.Name}: parameter {parameters[i].Name} has type {parameters[i].ParameterType.Name}");
            if (want.IsPointer && values[i].Type != want)
                throw Refuse($"{function.Name}: {parameters[i].Name} is a reference to a place in {values[i].Type.Space} memory; pass views and local variables");
            pure &= !want.IsPointer;
        }
        string name = _unit.Function(function);
        var call = new Call($"{name}({string.Join(", ", Enumerable.Range(0, values.Length).Select(i => $"{{{i}}}"))})", values, result, !pure);
        Finish(call);
    }

    // A call with an effect happens now, in its place; its result waits in a variable.
    private void Finish(Call call)
    {
        if (!call.HasEffect)
        {
            Push(call);
            return;
        }
        if (call.Type == CType.Void)
        {
            Effect(call);
            return;
        }
        Before(Code.ReadsMemory);
        // References passed may change locals: what the stack has read of them is taken first.
        foreach (Expr argument in call.Arguments.Where(a => a is PlaceOf))
            Before(e => Code.Reads(e, ((PlaceOf)argument).Variable));
        Variable t = NewVariable("t", call.Type, isTemporary: true);
        _block.Body.Add(new Assign(new PlaceOf(t), call));
        Push(new Read(t));
    }

    private void ViewMember(MethodBase method, Expr pointer, Expr[] arguments)
    {
        Scalar stored = pointer.Type.Scalar;
        switch (method.Name)
        {
            case "get_Item":
                Push(new ElementAt(pointer, arguments[0]));
                break;
            case "At":
                Push(new ElementAt(pointer, arguments[0]));
                break;
            case "Load":
            {
                var element = new Load(new ElementAt(pointer, arguments[0]));
                Push(Intrinsics.Widen(stored) is { } widening ? new Call(widening + "({0})", [element], CType.Float) : stored == Scalar.Float ? element : new Conversion(CType.Float, element));
                break;
            }
            case "Store":
                Store(new ElementAt(pointer, arguments[0]), Intrinsics.Narrow(stored) is { } rounding ? new Call(rounding + "({0})", [arguments[1]], new CType(stored)) : arguments[1]);
                break;
            case "Load4":
            {
                string place = FourAt(pointer.Type);
                Push(new Call(Intrinsics.Widen(stored) is { } widen ? $"{widen.Replace("16_", "16x4_", StringComparison.Ordinal)}({place})" : place,
                    [new Load(new ElementAt(pointer, arguments[0]))], new CType(Scalar.Float4)));
                break;
            }
            case "Store4":
            {
                string value = Intrinsics.Narrow(stored) is { } narrow ? narrow.Replace("f32_", "f32x4_", StringComparison.Ordinal) + "({1})" : "{1}";
                Effect(new Call($"{FourAt(pointer.Type)} = {value}", [new Load(new ElementAt(pointer, arguments[0])), arguments[1]], CType.Void, true));
                break;
            }
            default:
                throw Refuse($"{method.DeclaringType!.Name}.{method.Name}");
        }
    }

    // Four elements at once, through a pointer to the vector type in the right space: the place is known to be aligned.
    private string FourAt(CType pointer)
    {
        string vector = pointer.Scalar switch
        {
            Scalar.Float => "float4",
            Scalar.BFloat16 or Scalar.Half => "ushort4",
            _ => throw Refuse($"Load4 or Store4 of {pointer.Scalar} elements"),
        };
        string space = _unit.Language == DialectLanguage.Cuda ? "" : pointer.Space switch { Space.Global => "__global ", Space.Shared => "__local ", _ => "" };
        return $"*({space}{vector}*)&{{0}}";
    }

    private bool GroupMember(MethodInfo method)
    {
        CType result = method.IsGenericMethod ? CType.Void : CType.Of(method.ReturnType) ?? CType.Void;
        switch (method.Name)
        {
            case "get_Lanes":
                Push(new IntLiteral(_unit.Lanes, CType.Int));
                return true;
            case "Barrier":
                _unit.SeeBarrier();
                Effect(new Call(_unit.Language == DialectLanguage.OpenCl ? "barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)" : "__syncthreads()", [], CType.Void, true));
                return true;
            case "Shared" or "Private":
                Push(new Read(NewArray(method)));
                return true;
            case "GroupSum" or "GroupMax":
                if (!_isKernel)
                    throw Refuse($"Gpu.{method.Name} outside of the kernel's own method");
                _unit.SeeBarrier();
                Finish(new Call((method.Name == "GroupSum" ? "group_sum" : "group_max") + "({0}, {1})", [Pop(), new Read(_unit.Scratch(this))], result, true));
                return true;
            case "AtomicAdd" or "AtomicMax":
            {
                Expr[] v = Pop(2);
                if (v[0].Type is not { Scalar: Scalar.Int, Space: Space.Global or Space.Shared })
                    throw Refuse($"Gpu.{method.Name} on a place in {v[0].Type.Space} memory of type {v[0].Type.Scalar}");
                string text = _unit.Language == DialectLanguage.OpenCl ? method.Name == "AtomicAdd" ? "atomic_add" : "atomic_max" : method.Name == "AtomicAdd" ? "atomic_add_i32" : "atomic_max_i32";
                Finish(new Call(text + "({0}, {1})", v, result, true));
                return true;
            }
            case "WarpMultiply":
                Effect(new Call("warp_multiply({0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8})", Pop(9), CType.Void, true));
                return true;
            default:
                return false;
        }
    }

    private Variable NewArray(MethodInfo method)
    {
        bool shared = method.Name == "Shared";
        if (shared && !_isKernel)
            throw Refuse("Gpu.Shared outside of the kernel's own method");
        Type element = method.GetGenericArguments()[0];
        CType type = CType.Of(element) is { IsPointer: false } known ? known : throw Refuse($"Gpu.{method.Name} of {element.Name}");
        Expr count = Pop();
        if (count is not IntLiteral { Value: > 0 and <= 1 << 20 } size)
            throw Refuse($"Gpu.{method.Name} of a count that is no positive constant; make the parameter [Const]");
        Variable array = NewVariable(shared ? "shared" : "tile", new CType(type.Scalar, shared ? Space.Shared : Space.Private), (int)size.Value);
        if (!shared)
            _block.Body.Add(new Zero(array));
        return array;
    }

    private bool VectorMember(MethodBase method)
    {
        switch (method.Name)
        {
            case ".ctor":
            {
                Expr[] arguments = Pop(method.GetParameters().Length);
                Store(Pop(), NewVector(method, arguments));
                return true;
            }
            case "get_Zero" or "get_One":
                Push(Splat(new FloatLiteral(method.Name == "get_Zero" ? 0 : 1)));
                return true;
            default:
                return false;
        }
    }

    // Math.Max and the like of constants is a constant.
    private static IntLiteral? Constants(MethodInfo function, Expr[] values)
    {
        if (function.DeclaringType != typeof(Math) || values.Length == 0 || values.Any(v => v is not IntLiteral { Type.Scalar: Scalar.Int }))
            return null;
        long result = Convert.ToInt64(function.Invoke(null, [.. values.Select(v => (object)(int)((IntLiteral)v).Value)]), null);
        return new IntLiteral(result, CType.Int);
    }

    private static bool UsesDevice(MethodInfo function) => IlReader.Read(function).Any(i => i.Operand is MethodBase m && m.DeclaringType == typeof(Gpu));

    private MethodBase Implementation(Type type, MethodBase declared)
    {
        if (declared.DeclaringType is not { IsInterface: true })
            return declared;
        InterfaceMapping map = type.GetInterfaceMap(declared.DeclaringType);
        MethodInfo search = declared is MethodInfo { IsGenericMethod: true } g ? g.GetGenericMethodDefinition() : (MethodInfo)declared;
        int at = Array.IndexOf(map.InterfaceMethods, search);
        if (at < 0)
            throw Refuse($"{type.Name} has no {declared.Name}");
        MethodInfo found = map.TargetMethods[at];
        return declared.IsGenericMethod ? found.MakeGenericMethod(declared.GetGenericArguments()) : found;
    }

    private MarrowException Refuse(string what)
    {
        string line = _symbols.LineAt(_now?.At ?? 0) is { } place ? $" ({place})" : "";
        return new MarrowException("JT001", $"kernel {_unit.Kernel}: method {_method.DeclaringType!.Name}.{_method.Name}{line} uses {what}, which kernels cannot. [JT001]");
    }
}
