using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Gguf;

/// <summary>The numbers that GGUF files give to element types (spec/formats.md §3.1).</summary>
public static class GgufTensorType
{
    private static readonly Dictionary<int, DType> ById = Plain().Concat(BlockFormats.All.Where(f => f.Id >= 0).Select(f => (f.Id, f.DType))).ToDictionary();

    private static readonly Dictionary<DType, int> ByType = ById.ToDictionary(t => t.Value, t => t.Key);

    /// <summary>The type of a number; false where none is known here.</summary>
    public static bool TryParse(int id, out DType type) => ById.TryGetValue(id, out type);

    /// <summary>The number of a type; null where GGUF cannot hold it.</summary>
    public static int? IdOf(DType type) => ByType.TryGetValue(type, out int id) ? id : null;

    /// <summary>Why a number names no type here, with a remedy.</summary>
    internal static string WhyUnknown(int id) => id switch
    {
        4 or 5 or >= 31 and <= 33 or >= 36 and <= 38 => $"element type {id}, which was removed from GGUF; make the file anew from the original model",
        41 or 42 => $"element type {id} ({(id == 41 ? "Q1_0" : "Q2_0")}), which is not supported here; take a file of another type (Q4_K_M, Q8_0 …)",
        _ => $"element type {id}, which is unknown here; the file is damaged, or made by a newer or changed program",
    };

    private static (int, DType)[] Plain() =>
    [
        (0, DType.F32), (1, DType.F16), (24, DType.I8), (25, DType.I16), (26, DType.I32), (27, DType.I64), (28, DType.F64), (30, DType.BF16),
    ];
}
