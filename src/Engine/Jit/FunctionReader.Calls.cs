using System.Numerics;
using System.Reflection;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Jit;

/// <summary>Calls: members of views and of <see cref="Gpu"/>, functions with a text of their own, and methods that are translated too.</summary>
internal sealed partial class FunctionReader
{
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
            throw Refuse($"{owner.Name}.{method.Name}, which is not static and");
        CType result = CType.Of(function.ReturnType) ?? throw Refuse($"{owner.Name}.{method.Name}, which returns {function.ReturnType.Name},");
        Expr[] values = Pop(parameters.Length);
        if (Intrinsics.Pure(method, _unit.Language) is { } text)
        {
            // C picks overloads by the arguments' types, so these must be the parameters'.
            Push(Constants(function, values) ?? (Expr)new Call(text, [.. values.Select((v, i) => v.Type.IsInteger && CType.Of(parameters[i].ParameterType) is { IsInteger: true } type ? Code.As(type, v) : v)], result));
            return;
        }
        if (owner.Assembly == typeof(object).Assembly || owner.Assembly == typeof(Vector4).Assembly)
            throw Refuse($"{owner.Name}.{method.Name}, which has no counterpart on devices and");
        if (parameters.Length == 0 && function.Name.StartsWith("get_", StringComparison.Ordinal) && CType.Of(function.ReturnType) is { IsPointer: false, Scalar: not Scalar.Void } && IsFixed(function, 4))
        {
            Push(Fixed(function));
            return;
        }
        CallFunction(function, parameters, values, result);
    }

    private void CallFunction(MethodInfo function, ParameterInfo[] parameters, Expr[] values, CType result)
    {
        bool pure = true;
        var constants = new long?[values.Length];
        var passed = new List<Expr>();
        for (int i = 0; i < values.Length; i++)
        {
            if (parameters[i].IsDefined(typeof(ConstAttribute)))
            {
                constants[i] = values[i] is IntLiteral literal ? literal.Value : throw Refuse($"{function.Name} with [Const] parameter {parameters[i].Name} given what is no whole constant");
                continue;
            }
            CType want = CType.Of(parameters[i].ParameterType) ?? throw Refuse($"{function.Name} with parameter {parameters[i].Name} of type {parameters[i].ParameterType.Name}");
            if (want.IsPointer && values[i].Type != want)
                throw Refuse($"{function.Name} with {parameters[i].Name} a reference to a place in {values[i].Type.Space} memory (pass views and local variables)");
            Addressable(values[i]);
            values[i] = Code.Wrapping(want, values[i]);
            pure &= !want.IsPointer;
            passed.Add(values[i]);
        }
        (string name, bool waits) = _unit.Function(function, constants);
        Finish(new Call($"{name}({string.Join(", ", Enumerable.Range(0, passed.Count).Select(i => $"{{{i}}}"))})", [.. passed], result, !pure || waits) { Waits = waits });
    }

    // A call with an effect happens now, in its place; its result waits in a variable.
    private void Finish(Call call)
    {
        if (call.Type == CType.Void)
        {
            if (call.HasEffect)
                Effect(call);
            return;
        }
        if (!call.HasEffect)
        {
            Push(call);
            return;
        }
        BeforeCall(call);
        Variable t = NewVariable("t", call.Type, isTemporary: true);
        _block.Body.Add(new Assign(new PlaceOf(t), call));
        Push(new Read(t));
    }

    private void ViewMember(MethodBase method, Expr pointer, Expr[] arguments)
    {
        Scalar stored = pointer.Type.Scalar;
        if (pointer.Type.Block is { } block)
        {
            Push(BlockMember(method, block, pointer, arguments));
            return;
        }
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
            case "Store2":
            {
                if (Intrinsics.Narrow(stored) is { } narrow)
                {
                    Effect(new Call($"*({SpaceOf(pointer.Type)}uint*)&{{0}} = (uint){narrow}({{1}}) | (uint){narrow}({{2}}) << 16",
                        [new Load(new ElementAt(pointer, arguments[0])), arguments[1], arguments[2]], CType.Void, true));
                    break;
                }
                // Both values are read before the first is stored: they may come from here.
                Expr[] taken = [.. arguments.Select(a => Taken(a, Code.ReadsMemory))];
                Store(new ElementAt(pointer, taken[0]), taken[1]);
                Store(new ElementAt(pointer, Code.Fold("+", taken[0], new IntLiteral(1, taken[0].Type), taken[0].Type)), taken[2]);
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

    // Nothing stores to blocks, so a read of them can wait like a value.
    private Expr BlockMember(MethodBase method, DType block, Expr pointer, Expr[] arguments)
    {
        switch (method.Name)
        {
            case "At":
            {
                BlockFormat format = BlockFormats.Of(block);
                CType type = new(arguments[0].Type.Is64 ? Scalar.Long : Scalar.Int);
                Expr blocks = Code.Fold(">>", arguments[0], new IntLiteral(BitOperations.Log2((uint)format.Elements), CType.Int), type);
                return new ElementAt(pointer, Code.Fold("*", blocks, new IntLiteral(format.Bytes, type), type));
            }
            case "Load" or "Load4":
                _unit.Blocks.Add(block);
                return new Call($"{method.Name.ToLowerInvariant()}_{block}({{0}}, {{1}})", [pointer, arguments[0]], method.Name == "Load" ? CType.Float : new CType(Scalar.Float4));
            default:
                throw Refuse($"{method.Name.Replace("get_Item", "a place", StringComparison.Ordinal)} of {block} elements, which are read by Load and Load4 only,");
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
        return $"*({SpaceOf(pointer)}{vector}*)&{{0}}";
    }

    private string SpaceOf(CType pointer) => _unit.Language == DialectLanguage.Cuda ? "" : pointer.Space switch { Space.Global => "__global ", Space.Shared => "__local ", _ => "" };

    private bool GroupMember(MethodInfo method)
    {
        CType result = method.IsGenericMethod ? CType.Void : CType.Of(method.ReturnType) ?? CType.Void;
        switch (method.Name)
        {
            case "get_Lanes":
                Push(new IntLiteral(_unit.Lanes, CType.Int));
                return true;
            case "Barrier":
                Effect(new Call(_unit.Language == DialectLanguage.OpenCl ? "barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)" : "__syncthreads()", [], CType.Void, true) { Waits = true });
                return true;
            case "InBlocks":
                Push(new IntLiteral(BlockElements.TypeOf(method.GetGenericArguments()[0]) is null ? 0 : 1, CType.Int));
                return true;
            case "Shared" or "Private":
                Push(new Read(NewArray(method)));
                return true;
            case "GroupSum" or "GroupMax":
                if (!_isKernel)
                    throw Refuse($"Gpu.{method.Name} outside of the kernel's own method");
                Finish(new Call((method.Name == "GroupSum" ? "group_sum" : "group_max") + "({0}, {1})", [Pop(), new Read(_unit.Scratch(this))], result, true) { Waits = true });
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
            case "CopyEight":
                Effect(new Call(_unit switch
                {
                    { Language: DialectLanguage.OpenCl } => "*(__local ushort8*)({0}) = *(__global ushort8*)({1})",
                    { MatrixUnits: true } => "asm volatile(\"cp.async.cg.shared.global [%0], [%1], 16;\" :: \"r\"((uint)__cvta_generic_to_shared({0})), \"l\"({1}) : \"memory\")",
                    _ => "*(uint4*)({0}) = *(const uint4*)({1})",
                }, Pop(2), CType.Void, true));
                return true;
            case "CopiesDone":
                if (_unit is { Language: DialectLanguage.Cuda, MatrixUnits: true })
                    Effect(new Call("asm volatile(\"cp.async.wait_all;\" ::: \"memory\")", [], CType.Void, true));
                return true;
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
        if (function.DeclaringType != typeof(Math) || function.GetParameters().Any(p => p.ParameterType != typeof(int)) || values.Any(v => v is not IntLiteral))
            return null;
        try
        {
            return new IntLiteral((int)function.Invoke(null, [.. values.Select(v => (object)(int)((IntLiteral)v).Value)])!, CType.Int);
        }
        catch (TargetInvocationException)
        {
            // It would throw at run time too; devices do not.
            return null;
        }
    }

    // Whether a property is the same whenever it is asked: it reads neither the device nor what may change.
    private static bool IsFixed(MethodInfo function, int depth) => depth > 0 && function.GetMethodBody() is not null && IlReader.Read(function).All(i => i.Operand switch
    {
        MethodInfo m => m.IsStatic && m.DeclaringType != typeof(Gpu) && (m.DeclaringType == typeof(Math) || m.DeclaringType == typeof(MathF) || IsFixed(m, depth - 1)),
        MethodBase => false,
        FieldInfo f => i.Name == "ldsfld" && f.IsInitOnly,
        _ => !i.NamesMember,
    });

    private Expr Fixed(MethodInfo property)
    {
        try
        {
            return LiteralOf(property.Invoke(null, null)!);
        }
        catch (TargetInvocationException e)
        {
            throw Refuse($"{property.DeclaringType!.Name}.{property.Name}, which fails ({e.InnerException!.Message})");
        }
    }

    // A private array lives as long as the function that makes it.
    private Expr Result(Expr value)
    {
        if (value.Type.Space == Space.Private && Variables.Any(v => v is { Count: not null, Type.Space: Space.Private }))
            throw Refuse("a return of Gpu.Private; make the array in the caller and pass it");
        return Code.Wrapping(CType.Of(((MethodInfo)_method).ReturnType) ?? CType.Void, Addressable(value));
    }

    private MethodBase Implementation(Type type, MethodBase declared)
    {
        if (declared.DeclaringType is not { IsInterface: true })
            return declared;
        if (type.IsInterface || type.IsArray || !declared.DeclaringType.IsAssignableFrom(type))
            throw Refuse($"{declared.DeclaringType.Name}.{declared.Name} of {type.Name}");
        InterfaceMapping map = type.GetInterfaceMap(declared.DeclaringType);
        MethodInfo search = declared is MethodInfo { IsGenericMethod: true } g ? g.GetGenericMethodDefinition() : (MethodInfo)declared;
        int at = Array.IndexOf(map.InterfaceMethods, search);
        if (at < 0)
            throw Refuse($"{type.Name} has no {declared.Name}");
        MethodInfo found = map.TargetMethods[at];
        return declared.IsGenericMethod ? found.MakeGenericMethod(declared.GetGenericArguments()) : found;
    }
}
