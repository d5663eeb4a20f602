namespace Marrow.Engine.Jit;

/// <summary>Prints a kernel's signature up to its opening brace, and what stands at the head of its body.</summary>
internal static class KernelHead
{
    /// <summary>What is appended to a view's name for the two parameters that make it up.</summary>
    public static readonly string[] Parts = ["_base", "_first"];

    public static void Print(CPrinter printer, string entry, FunctionReader reader, int lanes, DialectLanguage language)
    {
        bool openCl = language == DialectLanguage.OpenCl;
        var parameters = new List<string>();
        foreach ((_, Variable v) in reader.Parameters)
        {
            if (!v.Type.IsPointer || !openCl)
                parameters.Add($"{printer.Name(v.Type)} {v.Name}");
            else
                parameters.Add($"{printer.Name(v.Type)} {v.Name}_base, long {v.Name}_first");
        }
        string list = string.Join(", ", parameters);
        if (openCl)
        {
            printer.Line($"__kernel __attribute__((reqd_work_group_size({lanes}, 1, 1)))");
            printer.Line($"void {entry}({list})");
        }
        else
        {
            printer.Line($"extern \"C\" __global__ void __launch_bounds__({lanes})");
            printer.Line($"{entry}({list})");
        }
        printer.Open();
        foreach ((_, Variable v) in reader.Parameters)
        {
            // An OpenCL buffer has no address on the host: the place within it comes as a number of elements.
            if (v.Type.IsPointer && openCl)
                printer.Line($"{printer.Name(v.Type)} {v.Name} = {v.Name}_base + {v.Name}_first;");
        }
    }
}
