using System.Globalization;
using System.Text;

namespace Marrow.Engine.Jit;

/// <summary>Prints expressions and statements as C in a device's language.</summary>
internal sealed class CPrinter(DialectLanguage language)
{
    private const int Top = 0, Primary = 20, Prefix = 15;
    private const long LargestUnroll = 32;

    private readonly StringBuilder _text = new();
    private int _depth;

    /// <summary>Which assignments declare their variable.</summary>
    public Declarations? Declarations { get; set; }

    /// <summary>What was printed.</summary>
    public override string ToString() => _text.ToString();

    /// <summary>A type's name; pointers carry their address space where the language wants one.</summary>
    public string Name(CType type)
    {
        string element = type.Scalar switch
        {
            Scalar.Void => "void",
            Scalar.Int => "int",
            Scalar.UInt => "uint",
            Scalar.Long => "long64",
            Scalar.ULong => "ulong64",
            Scalar.Float => "float",
            Scalar.Float4 => "float4",
            Scalar.Byte or Scalar.Block => "uchar",
            // CUDA's char has the host's sign.
            Scalar.SByte => language == DialectLanguage.OpenCl ? "char" : "signed char",
            Scalar.Short => "short",
            _ => "ushort",
        };
        return !type.IsPointer ? element : $"{SpaceName(type.Space)}{element}*";
    }

    /// <summary>The address space before a declaration; empty in CUDA, where pointers are generic.</summary>
    public string SpaceName(Space space) => language == DialectLanguage.Cuda ? "" : space switch { Space.Global => "__global ", Space.Shared => "__local ", _ => "" };

    /// <summary>Declares a local; arrays with their size, aligned for four at a time.</summary>
    public void Declare(Variable v)
    {
        if (v.Count is not { } count)
            Line($"{Name(v.Type)} {v.Name};");
        else if (language == DialectLanguage.OpenCl)
            Line($"{SpaceName(v.Type.Space)}{Name(v.Type.Element)} {v.Name}[{count}] __attribute__((aligned(16)));");
        else
            Line($"{(v.Type.Space == Space.Shared ? "__shared__ " : "")}__align__(16) {Name(v.Type.Element)} {v.Name}[{count}];");
    }

    public void Line(string line) => _text.Append(' ', 4 * _depth).Append(line).Append('\n');

    public void Open()
    {
        Line("{");
        _depth++;
    }

    public void Close()
    {
        _depth--;
        Line("}");
    }

    public void Print(IEnumerable<Stmt> statements)
    {
        foreach (Stmt statement in statements)
            Print(statement);
    }

    public string Print(Expr e, int outer = Top)
    {
        (string text, int rank) = e switch
        {
            IntLiteral i => Literal(i),
            FloatLiteral f => Literal(f.Value),
            Read r => (r.Variable.Name, Primary),
            Unary u => ($"{u.Op}{Print(u.Value, Prefix + 1)}", Prefix),
            Binary b => Print(b),
            // As in C#, what is too large becomes the largest number there is; CUDA's conversion does so by itself.
            Conversion { Type.IsInteger: true, Value.Type.IsFloat: true } c when language == DialectLanguage.OpenCl => ($"convert_{Name(c.Type).Replace("64", "", StringComparison.Ordinal)}_sat({Print(c.Value)})", Primary),
            Conversion c => ($"({Name(c.Type)}){Print(c.Value, Prefix)}", Prefix),
            Choose c => ($"{Print(c.Condition, 3)} ? {Print(c.Yes, 2)} : {Print(c.No, 2)}", 1),
            Call c => (string.Format(CultureInfo.InvariantCulture, c.Format, [.. c.Arguments.Select(a => Print(a, c.Format[0] == '(' ? Prefix : Top))]), c.Format[0] == '*' || (c.Format[0] == '(' && c.Format[1] != '{') ? Prefix : Primary),
            Load { Place: PlaceOf or ElementAt or Member } l => (Place(l.Place), Primary),
            Load l => (Place(l.Place), Prefix),
            PlaceOf p => ($"&{p.Variable.Name}", Prefix),
            ElementAt { Index: IntLiteral { Value: 0 } } a => Ranked(a.Pointer),
            ElementAt a => ($"{Print(a.Pointer, 12)} + {Print(a.Index, 13)}", 12),
            Member m => ($"&{Place(m)}", Prefix),
            _ => throw new InvalidOperationException($"{e} cannot be printed"),
        };
        return rank < outer ? $"({text})" : text;
    }

    /// <summary>A place as what can be assigned to.</summary>
    public string Place(Expr place) => place switch
    {
        PlaceOf p => p.Variable.Name,
        ElementAt a => $"{Print(a.Pointer, Primary)}[{Print(a.Index)}]",
        Member { Place: PlaceOf or ElementAt or Member } m => $"{Place(m.Place)}.{m.Name}",
        Member m => $"{(m.Place.Type.IsPointer ? $"({Place(m.Place)})" : Print(m.Place, Primary))}.{m.Name}",
        _ => $"*{Print(place, Prefix)}",
    };

    private (string, int) Ranked(Expr e) => (Print(e, Primary), Primary);

    private (string, int) Print(Binary b)
    {
        int rank = b.Op switch
        {
            "*" or "/" or "%" => 13,
            "+" or "-" => 12,
            "<<" or ">>" => 11,
            "<" or ">" or "<=" or ">=" => 10,
            "==" or "!=" => 9,
            "&" or "^" or "|" => 8,
            "&&" => 4,
            _ => 3,
        };
        // Mixed with others, bit operators and shifts get parentheses although C does not need them all.
        int left = rank is 8 or 11 ? 14 : rank, right = rank is 8 or 11 ? 14 : rank + 1;
        if (b.Op is "&&" or "||")
            right = rank;
        return ($"{Print(b.Left, left)} {b.Op} {Print(b.Right, right)}", rank);
    }

    // OpenCL's long has 64 bits; C++ has long long for that.
    private string Long => language == DialectLanguage.OpenCl ? "L" : "LL";

    private (string, int) Literal(IntLiteral i) => i.Type.Scalar switch
    {
        Scalar.Int when i.Value == int.MinValue => ("(-2147483647 - 1)", Primary),
        Scalar.UInt => ($"{(uint)i.Value}u", Primary),
        Scalar.Long when i.Value == long.MinValue => ($"(long64)0x8000000000000000U{Long}", Prefix),
        Scalar.Long => ($"{i.Value}{Long}", i.Value < 0 ? Prefix : Primary),
        Scalar.ULong => ($"0x{i.Value:x}U{Long}", Primary),
        _ => (i.Value.ToString(CultureInfo.InvariantCulture), i.Value < 0 ? Prefix : Primary),
    };

    private static (string, int) Literal(float f)
    {
        if (!float.IsFinite(f))
            return ($"as_float(0x{BitConverter.SingleToUInt32Bits(f):x8}u)", Primary);
        string text = f.ToString("R", CultureInfo.InvariantCulture);
        if (!text.Contains('.') && !text.Contains('E'))
            text += ".0";
        return (text + "f", f < 0 || float.IsNegative(f) ? Prefix : Primary);
    }

    private void Print(Stmt statement)
    {
        switch (statement)
        {
            case Assign a:
                Line($"{Text(a)};");
                break;
            case Do d:
                Line($"{Print(d.Effect)};");
                break;
            case Zero z:
                // However long: an array becomes registers only where every index is a constant.
                Line("#pragma unroll");
                Line($"for (int z = 0; z < {z.Array.Count}; z++)");
                Line($"    {z.Array.Name}[z] = {(language == DialectLanguage.Cuda && z.Array.Type.Scalar == Scalar.Float4 ? "make_f4(0.0f, 0.0f, 0.0f, 0.0f)" : "0")};");
                break;
            case Return r:
                Line(r.Value is null ? "return;" : $"return {Print(r.Value)};");
                break;
            case Jump j:
                Line($"goto {Name(j.Label)};");
                break;
            case Label l:
                Line($"{Name(l.Id)}:;");
                break;
            case Break:
                Line("break;");
                break;
            case Continue:
                Line("continue;");
                break;
            case If i:
                Print(i, "");
                break;
            case Loop l:
                Print(l);
                break;
            default:
                throw new InvalidOperationException($"{statement} cannot be printed");
        }
    }

    private static string Name(int label) => label < 0 ? $"N{~label}" : $"L{label}";

    private void Print(If i, string lead)
    {
        Line($"{lead}if ({Print(i.Condition)})");
        Block(i.Yes);
        if (i.No is [If chained])
        {
            Print(chained, "else ");
        }
        else if (i.No.Count > 0)
        {
            Line("else");
            Block(i.No);
        }
    }

    private void Print(Loop loop)
    {
        if (Trips(loop) is { } trips)
            Unroll(trips);
        Line(loop switch
        {
            { Step: { } step } => $"for ({(loop.Start is { } start ? Text(start) : "")}; {Print(loop.Condition!)}; {Text(step)})",
            { Condition: { } condition } => $"while ({Print(condition)})",
            _ => "while (1)",
        });
        Block(loop.Body);
    }

    private void Block(List<Stmt> body)
    {
        // One plain statement stands without braces; a declaration is none.
        if (body is [not (If or Loop or Zero or Label)] && !(body[0] is Assign only && Declarations?.Declares(only) == true))
        {
            _depth++;
            Print(body);
            _depth--;
            return;
        }
        Open();
        Print(body);
        Close();
    }

    private void Unroll(long trips)
    {
        if (trips <= LargestUnroll)
            Line("#pragma unroll");
    }

    private static long? Trips(Loop loop) =>
        loop is { Start.Value: IntLiteral from, Condition: Binary { Op: "<" or "<=" or ">" or ">=", Left: Read counter, Right: IntLiteral to } test, Step.Value: Binary { Op: "+" or "-", Left: Read stepped, Right: IntLiteral by } change }
            && counter.Variable == stepped.Variable && by.Value != 0
            ? (long)(Int128.Abs((Int128)to.Value - from.Value + (test.Op.Length - 1)) / Int128.Abs(by.Value)) : null;

    private string Text(Assign a)
    {
        string place = Place(a.Place);
        if (Declarations?.Declares(a) == true)
            return $"{Name(((PlaceOf)a.Place).Variable.Type)} {place} = {Print(a.Value)}";
        // x = x + y is printed as x += y
        if (a.Value is Binary { Op: "+" or "-" or "*" or "/" } b && b.Type == a.Place.Type.Element && Place(Target(b.Left)) == place)
            return b.Right is IntLiteral { Value: 1 } && b.Op is "+" or "-" && place[0] != '*' ? $"{place}{b.Op}{b.Op}" : $"{place} {b.Op}= {Print(b.Right)}";
        return $"{place} = {Print(a.Value)}";
    }

    private static Expr Target(Expr e) => e switch { Load l => l.Place, Read { Variable.Count: null } r => new PlaceOf(r.Variable), _ => e };
}
