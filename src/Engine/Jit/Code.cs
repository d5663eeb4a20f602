namespace Marrow.Engine.Jit;

/// <summary>A parameter, local, temporary or array of the printed function.</summary>
internal sealed class Variable(string name, CType type)
{
    public string Name { get; set; } = name;

    public CType Type { get; set; } = type;

    /// <summary>Elements, where it is an array.</summary>
    public int? Count { get; init; }

    /// <summary>Made by the translator, or without a name in the source.</summary>
    public bool IsTemporary { get; init; }

    /// <summary>Declared in the parameter list.</summary>
    public bool IsParameter { get; init; }

    /// <summary>A reference to it is made somewhere, so that it may change without its name being written.</summary>
    public bool IsAddressed { get; set; }
}

/// <summary>A value, or the place of one (then its type is a pointer).</summary>
internal abstract record Expr(CType Type);

internal sealed record IntLiteral(long Value, CType Type) : Expr(Type);

internal sealed record FloatLiteral(float Value) : Expr(CType.Float);

/// <summary>A variable's value; of an array the address of its first element.</summary>
internal sealed record Read(Variable Variable) : Expr(Variable.Count is null ? Variable.Type : new CType(Variable.Type.Scalar, Variable.Type.Space));

internal sealed record Unary(string Op, Expr Value, CType Type) : Expr(Type);

internal sealed record Binary(string Op, Expr Left, Expr Right, CType Type) : Expr(Type);

internal sealed record Conversion(CType Type, Expr Value) : Expr(Type);

internal sealed record Choose(Expr Condition, Expr Yes, Expr No) : Expr(Yes.Type);

/// <summary>A call printed as <paramref name="Format"/> with its arguments. An effect must happen once and in its place.</summary>
internal sealed record Call(string Format, Expr[] Arguments, CType Type, bool HasEffect = false) : Expr(Type)
{
    /// <summary>All lanes of the group wait for each other in it.</summary>
    public bool Waits { get; init; }
}

/// <summary>The place of a variable.</summary>
internal sealed record PlaceOf(Variable Variable) : Expr(new CType(Variable.Type.Scalar, Variable.Type.IsPointer ? Variable.Type.Space : Space.Private));

/// <summary>The place of an element.</summary>
internal sealed record ElementAt(Expr Pointer, Expr Index) : Expr(Pointer.Type);

/// <summary>The place of a component of a 4-vector.</summary>
internal sealed record Member(Expr Place, string Name) : Expr(new CType(Scalar.Float, Place.Type.IsPointer ? Place.Type.Space : Space.Private));

/// <summary>The value at a place.</summary>
internal sealed record Load(Expr Place) : Expr(Place.Type.Element);

/// <summary>A statement; the structured ones hold lists of them.</summary>
internal abstract record Stmt;

internal sealed record Assign(Expr Place, Expr Value) : Stmt;

internal sealed record Do(Expr Effect) : Stmt;

/// <summary>Sets a private array to zero.</summary>
internal sealed record Zero(Variable Array) : Stmt;

internal sealed record Return(Expr? Value) : Stmt;

internal sealed record Jump(int Label) : Stmt;

internal sealed record Label(int Id) : Stmt;

internal sealed record Break : Stmt;

internal sealed record Continue : Stmt;

internal sealed record If(Expr Condition, List<Stmt> Yes, List<Stmt> No) : Stmt;

/// <summary>A loop: endless, or while Condition holds, with Start and Step where it is a counting one.</summary>
internal sealed record Loop(List<Stmt> Body) : Stmt
{
    public Expr? Condition { get; init; }

    public Assign? Start { get; init; }

    public Assign? Step { get; init; }
}

/// <summary>What is needed to know of expressions when they are moved.</summary>
internal static class Code
{
    public static IEnumerable<Expr> Parts(Expr e) => e switch
    {
        Unary u => [u.Value],
        Binary b => [b.Left, b.Right],
        Conversion c => [c.Value],
        Choose c => [c.Condition, c.Yes, c.No],
        Call c => c.Arguments,
        ElementAt a => [a.Pointer, a.Index],
        Member m => [m.Place],
        Load l => [l.Place],
        _ => [],
    };

    public static bool Any(Expr e, Func<Expr, bool> holds) => holds(e) || Parts(e).Any(p => Any(p, holds));

    public static bool Reads(Expr e, Variable v) => Any(e, x => x is Read r && r.Variable == v || x is PlaceOf p && p.Variable == v);

    /// <summary>Whether the value depends on memory that a store may change.</summary>
    public static bool ReadsMemory(Expr e) => Any(e, x => x is Load { Place: not PlaceOf and not Member { Place: PlaceOf } } or Call { HasEffect: true });

    public static bool IsSame(Expr a, Expr b) => (a, b) switch
    {
        (Call x, Call y) => x.Format == y.Format && !x.HasEffect && !y.HasEffect && x.Arguments.Length == y.Arguments.Length && x.Arguments.Zip(y.Arguments).All(p => IsSame(p.First, p.Second)),
        (Read x, Read y) => x.Variable == y.Variable,
        (PlaceOf x, PlaceOf y) => x.Variable == y.Variable,
        (FloatLiteral x, FloatLiteral y) => BitConverter.SingleToInt32Bits(x.Value) == BitConverter.SingleToInt32Bits(y.Value),
        (IntLiteral or FloatLiteral, _) => a == b,
        _ => a.GetType() == b.GetType() && Operator(a) == Operator(b) && a.Type == b.Type && Parts(a).Zip(Parts(b)).All(p => IsSame(p.First, p.Second)),
    };

    /// <summary>The expression with each part replaced by what <paramref name="change"/> makes of it, from the leaves up.</summary>
    public static Expr Rewrite(Expr e, Func<Expr, Expr> change) => change(e switch
    {
        Unary u => u with { Value = Rewrite(u.Value, change) },
        Binary b => b with { Left = Rewrite(b.Left, change), Right = Rewrite(b.Right, change) },
        Conversion c => c with { Value = Rewrite(c.Value, change) },
        Choose c => new Choose(Rewrite(c.Condition, change), Rewrite(c.Yes, change), Rewrite(c.No, change)),
        Call c => c with { Arguments = [.. c.Arguments.Select(a => Rewrite(a, change))] },
        ElementAt a => new ElementAt(Rewrite(a.Pointer, change), Rewrite(a.Index, change)),
        Member m => new Member(Rewrite(m.Place, change), m.Name),
        Load l => new Load(Rewrite(l.Place, change)),
        _ => e,
    });

    public static Expr Not(Expr e) => e switch
    {
        IntLiteral i => new IntLiteral(i.Value == 0 ? 1 : 0, CType.Int),
        Unary { Op: "!" } u => u.Value,
        Binary b when Opposite(b.Op) is { } op && !b.Left.Type.IsFloat && !b.Right.Type.IsFloat => b with { Op = op },
        Binary { Op: "==" or "!=" } b => b with { Op = b.Op == "==" ? "!=" : "==" },
        Binary { Op: "&&" or "||" } b => b with { Op = b.Op == "&&" ? "||" : "&&", Left = Not(b.Left), Right = Not(b.Right) },
        _ => new Unary("!", e, CType.Int),
    };

    /// <summary>Whether the value is 1 or 0.</summary>
    public static bool IsTest(Expr e) => e is Binary { Op: "<" or ">" or "<=" or ">=" or "==" or "!=" or "&&" or "||" } or Unary { Op: "!" };

    /// <summary>The number as one of another type.</summary>
    public static Expr As(CType type, Expr e) => e.Type == type || type.IsPointer ? e
        : e is IntLiteral i && type.IsInteger ? new IntLiteral(Wrap(i.Value, type), type)
        : Wrapping(type, e) is var w && w != e ? w
        : new Conversion(type, e);

    /// <summary>
    /// A sum, difference or product that becomes unsigned is computed so: IL does not say which it was in the source, and in C only unsigned
    /// numbers may overflow. Other expressions stay.
    /// </summary>
    public static Expr Wrapping(CType type, Expr e) => e is Binary { Op: "+" or "-" or "*" } b && type.IsUnsigned && b.Type.IsInteger && !b.Type.IsUnsigned && b.Type.Is64 == type.Is64
        ? new Binary(b.Op, As(type, b.Left), As(type, b.Right), type) : e;

    /// <summary>The operation, computed where both sides are known.</summary>
    public static Expr Fold(string op, Expr a, Expr b, CType type)
    {
        if (a is IntLiteral x && b is IntLiteral y && Compute(op, x.Value, y.Value, type, a.Type) is { } value)
            return new IntLiteral(Wrap(value, type), type);
        if (type.IsInteger && b is IntLiteral { Value: 0 } && op is "+" or "-" or "|" or "<<" or ">>" && a.Type == type)
            return a;
        if (type.IsInteger && a is IntLiteral { Value: 0 } && op is "+" or "|" && b.Type == type)
            return b;
        if (type.IsInteger && b is IntLiteral { Value: 1 } && op is "*" or "/" && a.Type == type)
            return a;
        return new Binary(op, a, b, type);
    }

    public static long Wrap(long value, CType type) => type.Scalar switch
    {
        Scalar.Int => (int)value,
        Scalar.UInt => (uint)value,
        Scalar.Byte => (byte)value,
        Scalar.SByte => (sbyte)value,
        Scalar.UShort => (ushort)value,
        Scalar.Short => (short)value,
        _ => value,
    };

    private static string? Operator(Expr e) => e switch { Unary u => u.Op, Binary b => b.Op, Member m => m.Name, _ => null };

    private static string? Opposite(string op) => op switch { "<" => ">=", ">=" => "<", ">" => "<=", "<=" => ">", "==" => "!=", "!=" => "==", _ => null };

    private static long? Compute(string op, long a, long b, CType type, CType operand) => op switch
    {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "&" => a & b,
        "|" => a | b,
        "^" => a ^ b,
        "<<" when b >= 0 && b < 8 * type.Bytes => a << (int)b,
        ">>" when b >= 0 && b < 8 * type.Bytes => type.Scalar == Scalar.ULong ? (long)((ulong)a >> (int)b) : a >> (int)b,
        "/" when b is not (0 or -1) && type.Scalar != Scalar.ULong => a / b,
        "%" when b is not (0 or -1) && type.Scalar != Scalar.ULong => a % b,
        "==" => a == b ? 1 : 0,
        "!=" => a != b ? 1 : 0,
        "<" when operand.Scalar != Scalar.ULong => a < b ? 1 : 0,
        ">" when operand.Scalar != Scalar.ULong => a > b ? 1 : 0,
        "<=" when operand.Scalar != Scalar.ULong => a <= b ? 1 : 0,
        ">=" when operand.Scalar != Scalar.ULong => a >= b ? 1 : 0,
        _ => null,
    };
}
