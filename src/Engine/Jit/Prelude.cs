using System.Globalization;

namespace Marrow.Engine.Jit;

/// <summary>The fixed text before every kernel: conversions, reductions and matrix tiles in the device's language.</summary>
internal static class Prelude
{
    public static string Of(Dialect dialect, int lanes)
    {
        string flags = $"#define MARROW_LANES {lanes.ToString(CultureInfo.InvariantCulture)}\n";
        if (dialect.Subgroups)
            flags += "#define MARROW_SUBGROUPS 1\n";
        if (dialect.MatrixUnits)
            flags += "#define MARROW_MATRIX_UNITS 1\n";
        return flags + Text(dialect.Language == DialectLanguage.OpenCl ? "opencl.cl" : "cuda.cu") + Text("warp_multiply.h") + "\n";
    }

    /// <summary>The names of the fixed texts.</summary>
    public static readonly string[] Files = ["opencl.cl", "cuda.cu", "warp_multiply.h"];

    /// <summary>One of the fixed texts.</summary>
    public static string Text(string name)
    {
        using Stream stream = typeof(Prelude).Assembly.GetManifestResourceStream($"Marrow.Engine.Jit.Preludes.{name}")
            ?? throw new InvalidOperationException($"the assembly lacks its resource {name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
