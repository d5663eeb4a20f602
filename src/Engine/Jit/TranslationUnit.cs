using System.Reflection;
using Marrow.Formats;

namespace Marrow.Engine.Jit;

/// <summary>One kernel with the functions it calls, while it is being translated.</summary>
internal sealed class TranslationUnit(string kernel, Dialect dialect, int lanes)
{
    // Words of the two languages, and names that printed text calls, which a local variable would hide.
    private static readonly HashSet<string> Reserved =
    [
        "half", "float", "float4", "double", "int", "uint", "long", "ulong", "short", "ushort", "char", "uchar", "bool", "void", "size_t", "long64", "ulong64",
        "kernel", "global", "local", "constant", "private", "register", "volatile", "restrict", "inline", "signed", "unsigned", "static", "const", "asm", "auto", "extern", "typedef", "union", "sizeof", "pipe", "image",
        "exp", "log", "log2", "pow", "sqrt", "sin", "cos", "tanh", "floor", "ceil", "rint", "trunc", "fabs", "fmax", "fmin", "fma", "dot", "max", "min", "abs", "clamp", "mix", "step", "sign", "isnan",
        "barrier", "as_float", "as_uint", "as_int", "popcount", "clz", "group_sum", "group_max", "warp_multiply", "make_f4", "this", "template", "class", "new", "delete", "operator", "z", "INFINITY", "NAN",
    ];

    private readonly Dictionary<(MethodInfo Method, string Constants), string> _functions = [];
    private readonly HashSet<string> _functionNames = [];
    private readonly HashSet<MethodInfo> _open = [];
    private Variable? _scratch;

    /// <summary>The kernel's name, for errors.</summary>
    public string Kernel => kernel;

    public DialectLanguage Language => dialect.Language;

    public bool MatrixUnits => dialect.MatrixUnits;

    public int Lanes => lanes;

    /// <summary>Whether lanes wait for each other anywhere.</summary>
    public bool HasBarrier { get; private set; }

    /// <summary>The texts of the functions called, callees first.</summary>
    public List<string> Texts { get; } = [];

    /// <summary>A name that C allows and that <paramref name="taken"/> does not hold yet; it does then.</summary>
    public static string Identifier(HashSet<string> taken, string name)
    {
        string plain = new([.. name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')]);
        if (plain.Length == 0 || char.IsAsciiDigit(plain[0]) || Reserved.Contains(plain))
            plain += "_";
        string unique = plain;
        for (int n = 2; !taken.Add(unique); n++)
            unique = $"{plain}{(char.IsAsciiDigit(plain[^1]) ? "_" : "")}{n}";
        return unique;
    }

    /// <summary>The name of a called method's function, which is translated at its first call with these values of its [Const] parameters.</summary>
    public string Function(MethodInfo method, IReadOnlyList<long?> constants)
    {
        (MethodInfo, string) key = (method, string.Join(' ', constants));
        if (_functions.TryGetValue(key, out string? known))
            return known;
        if (!_open.Add(method))
            throw new MarrowException("JT002", $"kernel {kernel}: {method.DeclaringType!.Name}.{method.Name} calls itself, which kernels cannot. [JT002]");
        string name = Identifier(_functionNames, $"{method.DeclaringType!.Name}_{method.Name}");
        var reader = new FunctionReader(method, constants, false, this);
        List<Stmt> body = Structure.Of(reader.Blocks());
        Tidy.Run(body);
        var printer = new CPrinter(Language);
        string parameters = string.Join(", ", reader.Parameters.Select(p => $"{printer.Name(p.Variable.Type)} {p.Variable.Name}"));
        string lead = Language == DialectLanguage.OpenCl ? "static inline" : "static __forceinline__ __device__";
        printer.Line($"{lead} {printer.Name(CType.Of(method.ReturnType)!.Value)} {name}({parameters})");
        printer.Open();
        Finish(printer, reader, body);
        Texts.Add(printer.ToString());
        _open.Remove(method);
        return _functions[key] = name;
    }

    public void SeeBarrier() => HasBarrier = true;

    /// <summary>The shared memory of group reductions.</summary>
    public Variable Scratch(FunctionReader reader)
    {
        if (_scratch is null)
        {
            _scratch = new Variable(Identifier(reader.Names, "group_scratch"), new CType(Scalar.Float, Space.Shared)) { Count = Math.Max(32, lanes) };
            reader.Variables.Add(_scratch);
        }
        return _scratch;
    }

    /// <summary>Prints a function's body and its closing brace.</summary>
    public static void Finish(CPrinter printer, FunctionReader reader, List<Stmt> body)
    {
        printer.Declarations = new Declarations(body);
        foreach (Variable v in printer.Declarations.AtHead(reader.Variables))
            printer.Declare(v);
        printer.Print(body);
        printer.Close();
    }
}
