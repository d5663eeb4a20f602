using System.Text.RegularExpressions;

namespace Marrow.Engine.Jit;

/// <summary>Names that a variable or function of a text must not have: words of C, OpenCL C and C++, and what printed text calls.</summary>
internal static partial class ReservedWords
{
    private static readonly HashSet<string> Words =
    [
        "asm", "auto", "bool", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict",
        "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "typeof", "union", "unsigned", "void", "volatile", "while",
        "half", "uchar", "ushort", "uint", "ulong", "size_t", "ptrdiff_t", "intptr_t", "uintptr_t", "float4", "ushort4", "uint4", "long64", "ulong64", "event_t", "sampler_t", "image", "pipe",
        "kernel", "global", "local", "constant", "private", "generic", "read_only", "write_only", "read_write", "complex", "imaginary", "uniform",
        "alignas", "alignof", "and", "and_eq", "bitand", "bitor", "catch", "class", "compl", "concept", "consteval", "constexpr", "constinit", "const_cast", "co_await", "co_return", "co_yield", "decltype", "delete",
        "dynamic_cast", "explicit", "export", "false", "friend", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "protected", "public", "reinterpret_cast", "requires",
        "static_assert", "static_cast", "template", "this", "thread_local", "throw", "true", "try", "typeid", "typename", "using", "virtual", "wchar_t", "xor", "xor_eq",
        "threadIdx", "blockIdx", "blockDim", "gridDim", "warpSize", "atomic_add", "atomic_max", "group_sum", "group_max", "abs", "max", "min", "barrier",
        "z", "NULL", "INFINITY", "NAN", "MAXFLOAT", "HUGE_VAL", "HUGE_VALF", "linux", "unix",
    ];

    // FLT_MAX, M_PI_F, CLK_LOCAL_MEM_FENCE, INT_MIN, CHAR_BIT, …
    [GeneratedRegex("^(FLT|DBL|HALF|M|CLK|CL|CHAR|SCHAR|UCHAR|SHRT|USHRT|INT|UINT|LONG|ULONG|FP|MARROW)_[A-Z0-9_]+$")]
    private static partial Regex Macro { get; }

    [GeneratedRegex(@"[A-Za-z_]\w*(?=\()|(?<=#define )\w+")]
    private static partial Regex Called { get; }

    private static readonly HashSet<string> Calls = [.. Prelude.Files.Select(Prelude.Text).Concat(Intrinsics.All).SelectMany(t => Called.Matches(t)).Select(m => m.Value)];

    public static bool Contains(string name) => Words.Contains(name) || Calls.Contains(name) || Macro.IsMatch(name);
}
