using System.Numerics;
using System.Reflection;
using Marrow.Formats;

namespace Marrow.Engine.Jit;

/// <summary>Numbers: constants, arithmetic, comparisons, conversions, fields of vectors.</summary>
internal sealed partial class FunctionReader
{
    private Expr Constant(Instruction i) => i.Operand switch
    {
        int n => new IntLiteral(n, CType.Int),
        long n => new IntLiteral(n, new CType(Scalar.Long)),
        float f => new FloatLiteral(f),
        null => new IntLiteral(i.Name.EndsWith("m1", StringComparison.OrdinalIgnoreCase) ? -1 : i.Name[^1] - '0', CType.Int),
        double d when (float)d == d => new FloatLiteral((float)d),
        _ => throw Refuse("a constant of double precision; write it as a float"),
    };

    private void Arithmetic(string name, bool unsigned)
    {
        Expr[] v = Pop(2);
        (Expr a, Expr b) = (v[0], v[1]);
        if (!IsNumber(a) || !IsNumber(b) || a.Type.IsFloat != b.Type.IsFloat)
            throw Refuse($"{name} of {a.Type} and {b.Type}");
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
            : a.Type.IsUnsigned || (b.Type.IsUnsigned && op != "<<") || (op is "+" or "-" or "*" && (IsHuge(a, op, is64) || IsHuge(b, op, is64))) ? plain : signed;
        a = Converted(type, a);
        b = op is "<<" or ">>" ? b : Converted(type, b);
        Push(Code.Fold(op, a, b, type));
    }

    // A factor or summand that is there to overflow, as in hashes: written unsigned, or meant so.
    private static bool IsHuge(Expr e, string op, bool is64) => e is IntLiteral i && Int128.Abs((Int128)i.Value) >> ((is64 ? 32 : 0) + (op == "*" ? 24 : 30)) != 0;

    private static bool IsNumber(Expr e) => e.Type.IsInteger || e.Type.IsFloat;

    // A change of type that C would not make by itself.
    private static Expr Converted(CType type, Expr e) => type == CType.Int && e.Type.IsInteger && e.Type.Bytes < 4 && e is not IntLiteral ? e : Code.As(type, e);

    private void Negate(string op)
    {
        Expr v = Pop();
        if (!IsNumber(v))
            throw Refuse($"{op} of {v.Type}");
        Push(v switch
        {
            IntLiteral i => new IntLiteral(Code.Wrap(op == "-" ? -i.Value : ~i.Value, i.Type), i.Type),
            FloatLiteral f => new FloatLiteral(-f.Value),
            _ => new Unary(op, v, v.Type.Bytes < 4 ? CType.Int : v.Type),
        });
    }

    private static Expr Truth(Expr e) => Code.IsTest(e) || e is IntLiteral ? e : new Binary("!=", e, new IntLiteral(0, e.Type), CType.Int);

    private Expr Compare(string name, bool unsigned, Expr a, Expr b)
    {
        if (!IsNumber(a) || !IsNumber(b))
            throw Refuse(a.Type.IsPointer ? "a comparison of places" : $"a comparison of {a.Type} and {b.Type}");
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
        if (!IsNumber(v))
            throw Refuse(v.Type.IsPointer ? "a conversion of a place" : $"a conversion of {v.Type}");
        switch (name[1])
        {
            case "r":
                Push(new Conversion(CType.Float, Converted(new CType(v.Type.Is64 ? Scalar.ULong : Scalar.UInt), v)));
                break;
            case "r4":
                // Whatever the type was, the bits count as a signed number.
                v = v.Type.IsUnsigned ? Converted(new CType(v.Type.Is64 ? Scalar.Long : Scalar.Int), v) : v;
                Push(v.Type.IsFloat ? v : v is IntLiteral { Value: > -(1 << 24) and < 1 << 24 } i ? new FloatLiteral(i.Value) : new Conversion(CType.Float, v));
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

    // From fp32 the small types are reached by way of int.
    private static Expr Narrowed(CType type, Expr v) => Code.As(type, v.Type.IsFloat && type.Bytes < 4 ? new Conversion(CType.Int, v) : v);

    private void Duplicate()
    {
        Expr v = Pop();
        bool simple = v is Read or IntLiteral or FloatLiteral or PlaceOf
            || (v is ElementAt or Member && !Code.ReadsMemory(v) && !Code.Any(v, e => e is Call));
        if (!simple)
            v = Taken(v, e => e is not (Read or IntLiteral or FloatLiteral));
        Push(v);
        Push(v);
    }

    private static Expr Loaded(Expr place) => place is PlaceOf p ? new Read(p.Variable) : new Load(place);

    private void Initialise(Expr place)
    {
        if (place is PlaceOf { Variable.Type.Scalar: Scalar.Float4 } p)
            SetVariable(p.Variable, Vector(new FloatLiteral(0), new FloatLiteral(0), new FloatLiteral(0), new FloatLiteral(0)));
        else if (place is PlaceOf { Variable.Type.IsPointer: true })
            throw Refuse("default of a view");
        else if (place.Type.Scalar == Scalar.Float4)
            Store(place, Splat(new FloatLiteral(0)));
        else
            Store(place, place.Type.Scalar == Scalar.Float ? new FloatLiteral(0) : new IntLiteral(0, place.Type.Element));
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
        if (typeof(Delegate).IsAssignableFrom(field.FieldType))
            throw Refuse(Delegates);
        if (!field.IsInitOnly || CType.Of(field.FieldType) is not { IsPointer: false })
            throw Refuse($"static field {field.DeclaringType!.Name}.{field.Name}; only readonly numbers can be read");
        try
        {
            return LiteralOf(field.GetValue(null)!);
        }
        catch (TypeInitializationException e)
        {
            throw Refuse($"static field {field.DeclaringType!.Name}.{field.Name}, whose type does not start ({e.InnerException?.Message})");
        }
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
}
