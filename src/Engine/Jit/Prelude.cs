using System.Globalization;
using Marrow.Formats.Numerics;

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

    /// <summary>The functions that decode elements of <paramref name="types"/>, with what they share: "load_Q8_0(pointer, i)" and "load4_Q8_0(pointer, i)".</summary>
    public static string OfBlocks(IEnumerable<DType> types) => Text("blocks.h") + string.Concat(types.Select(t => Text(FileOf(t)))) + "\n";

    /// <summary>The names of the fixed texts.</summary>
    public static readonly string[] Files = ["opencl.cl", "cuda.cu", "warp_multiply.h", "blocks.h", .. BlockElements.All.Select(FileOf)];

    private static string FileOf(DType type) => $"Blocks.{type}.h";

    /// <summary>One of the fixed texts.</summary>
    public static string Text(string name)
    {
        using Stream stream = typeof(Prelude).Assembly.GetManifestResourceStream($"Marrow.Engine.Jit.Preludes.{name}")
            ?? throw new InvalidOperationException($"the assembly lacks its resource {name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
