using System.Reflection;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>One kernel with the functions it calls, while it is being translated.</summary>
internal sealed class TranslationUnit(string name, Dialect dialect, int lanes)
{
    private const int DeepestCalls = 24;

    private readonly Dictionary<(MethodInfo Method, string Constants), (string Name, bool Waits)> _functions = [];
    private readonly HashSet<string> _functionNames = [];
    private readonly HashSet<MethodInfo> _open = [];
    private Variable? _scratch;

    /// <summary>The kernel's name, for errors.</summary>
    public string Name => name;

    public DialectLanguage Language => dialect.Language;

    public bool MatrixUnits => dialect.MatrixUnits;

    public int Lanes => lanes;

    /// <summary>The texts of the functions called, callees first.</summary>
    public List<string> Texts { get; } = [];

    /// <summary>The block-quantised types that are read, whose functions stand before the kernel's.</summary>
    public SortedSet<DType> Blocks { get; } = [];

    /// <summary>The kernel's name in the text.</summary>
    public string Entry { get; private set; } = "";

    /// <summary>A name that C allows and that <paramref name="taken"/> does not hold yet; it does then, and the name with each of <paramref name="endings"/> too.</summary>
    public static string Identifier(HashSet<string> taken, string name, params string[] endings)
    {
        string plain = new([.. name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')]);
        if (plain.Length == 0 || char.IsAsciiDigit(plain[0]) || plain.StartsWith("__", StringComparison.Ordinal))
            plain = "v" + plain;
        if (ReservedWords.Contains(plain))
            plain += "_";
        string unique = plain;
        for (int n = 2; taken.Contains(unique) || endings.Any(e => taken.Contains(unique + e)); n++)
            unique = $"{plain}{(char.IsAsciiDigit(plain[^1]) ? "_" : "")}{n}";
        taken.Add(unique);
        taken.UnionWith(endings.Select(e => unique + e));
        return unique;
    }

    /// <summary>Reads the kernel itself: its statements, with the functions it calls in <see cref="Texts"/>.</summary>
    public List<Stmt> ReadKernel(FunctionReader reader, MethodInfo method)
    {
        Entry = Identifier(_functionNames, name.Replace('.', '_'));
        return Read(reader, method).Body;
    }

    /// <summary>The name of a called method's function, which is translated at its first call with these values of its [Const] parameters, and whether lanes wait for each other in it.</summary>
    public (string Name, bool Waits) Function(MethodInfo method, IReadOnlyList<long?> constants)
    {
        (MethodInfo, string) key = (method, string.Join(' ', constants));
        if (_functions.TryGetValue(key, out (string, bool) known))
            return known;
        if (!_open.Add(method))
            throw new MarrowException("JT002", $"kernel {name}: {method.DeclaringType!.Name}.{method.Name} calls itself, which kernels cannot. [JT002]");
        // A generic method that calls itself with ever larger types is another method each time.
        if (_open.Count > DeepestCalls)
            throw new MarrowException("JT002", $"kernel {name}: calls go deeper than {DeepestCalls} at {method.DeclaringType!.Name}.{method.Name}, which kernels cannot. [JT002]");
        string function = Identifier(_functionNames, $"{method.DeclaringType!.Name}_{method.Name}");
        var reader = new FunctionReader(method, constants, false, this);
        (List<Stmt> body, bool waits) = Read(reader, method);
        var printer = new CPrinter(Language);
        string parameters = string.Join(", ", reader.Parameters.Select(p => $"{printer.Name(p.Variable.Type)} {p.Variable.Name}"));
        string lead = Language == DialectLanguage.OpenCl ? "static inline" : "static __forceinline__ __device__";
        printer.Line($"{lead} {printer.Name(CType.Of(method.ReturnType)!.Value)} {function}({parameters})");
        printer.Open();
        Finish(printer, reader, body);
        Texts.Add(printer.ToString());
        _open.Remove(method);
        return _functions[key] = (function, waits);
    }

    private (List<Stmt> Body, bool Waits) Read(FunctionReader reader, MethodInfo method)
    {
        List<Stmt> body = Structure.Of(reader);
        Tidy.Run(body);
        // A local variable must not hide a function that is called where it is known.
        reader.Names.UnionWith(_functionNames);
        foreach (Variable v in reader.Parameters.Select(p => p.Variable).Concat(reader.Variables).Where(v => _functionNames.Contains(v.Name)))
            v.Name = Identifier(reader.Names, v.Name, KernelHead.Parts);
        return (body, Waits(method, body));
    }

    // Whether lanes wait for each other. A lane that has returned never reaches a barrier that others wait at.
    private bool Waits(MethodInfo method, List<Stmt> body)
    {
        bool waits = false, returned = false;
        foreach (Stmt s in Tidy.All(body))
        {
            returned |= s is Return;
            waits |= IsBarrier(s);
            if ((returned && IsBarrier(s)) || (s is Loop loop && Tidy.All(loop.Body).Any(x => x is Return) && Tidy.All(loop.Body).Any(IsBarrier)))
                throw new MarrowException("JT004", $"kernel {name}: {method.DeclaringType!.Name}.{method.Name} has a barrier, or a group reduction, behind a return: lanes that have returned would be waited for in vain. Put the rest into an if. [JT004]");
        }
        return waits;
    }

    private static bool IsBarrier(Stmt s) => Tidy.Own(s).Any(e => Code.Any(e, x => x is Call { Waits: true }));

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
