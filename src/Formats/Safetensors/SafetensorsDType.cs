using Marrow.Formats.Numerics;

namespace Marrow.Formats.Safetensors;

/// <summary>The names that safetensors headers give to element types (spec/formats.md §1.2).</summary>
public static class SafetensorsDType
{
    private static readonly (string Name, DType Type)[] Names =
    [
        ("F32", DType.F32), ("F16", DType.F16), ("BF16", DType.BF16), ("F64", DType.F64),
        ("I64", DType.I64), ("I32", DType.I32), ("I16", DType.I16), ("I8", DType.I8),
        ("U64", DType.U64), ("U32", DType.U32), ("U16", DType.U16), ("U8", DType.U8),
        ("BOOL", DType.Bool), ("C64", DType.C64),
        ("F8_E4M3", DType.F8E4M3), ("F8_E5M2", DType.F8E5M2), ("F8_E8M0", DType.F8E8M0),
        ("F8_E4M3FNUZ", DType.F8E4M3Fnuz), ("F8_E5M2FNUZ", DType.F8E5M2Fnuz),
        ("F4", DType.F4), ("F6_E2M3", DType.F6E2M3), ("F6_E3M2", DType.F6E3M2),
    ];

    /// <summary>The header's name of a type, as "BF16".</summary>
    public static string NameOf(DType type) => Array.Find(Names, n => n.Type == type).Name;

    /// <summary>Finds the type of a header's name; false where there is none.</summary>
    public static bool TryParse(string name, out DType type)
    {
        int i = Array.FindIndex(Names, n => n.Name == name);
        type = i >= 0 ? Names[i].Type : default;
        return i >= 0;
    }

    internal static string AllNames => string.Join(", ", Names.Select(n => n.Name));
}
