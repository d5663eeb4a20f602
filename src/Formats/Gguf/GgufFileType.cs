using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Gguf;

/// <summary>What a GGUF file's tensors are mostly stored as, which `general.file_type` tells (spec/formats.md §2.6).</summary>
/// <param name="Number">Its number in files.</param>
/// <param name="Name">Its name: "Q4_K_M".</param>
/// <param name="Main">The type of most tensors.</param>
public sealed record GgufFileType(int Number, string Name, DType Main)
{
    /// <summary>The metadata key that holds the number.</summary>
    public const string Key = "general.file_type";

    private const long Guessed = 1024;

    /// <summary>Every type there is.</summary>
    public static IReadOnlyList<GgufFileType> All { get; } =
    [
        new(0, "F32", DType.F32), new(1, "F16", DType.F16), new(32, "BF16", DType.BF16), new(7, "Q8_0", DType.Q8_0),
        new(18, "Q6_K", DType.Q6_K), new(17, "Q5_K_M", DType.Q5_K), new(16, "Q5_K_S", DType.Q5_K), new(15, "Q4_K_M", DType.Q4_K), new(14, "Q4_K_S", DType.Q4_K),
        new(13, "Q3_K_L", DType.Q3_K), new(12, "Q3_K_M", DType.Q3_K), new(11, "Q3_K_S", DType.Q3_K), new(10, "Q2_K", DType.Q2_K),
        new(9, "Q5_1", DType.Q5_1), new(8, "Q5_0", DType.Q5_0), new(3, "Q4_1", DType.Q4_1), new(2, "Q4_0", DType.Q4_0),
        new(25, "IQ4_NL", DType.IQ4_NL), new(30, "IQ4_XS", DType.IQ4_XS), new(36, "TQ1_0", DType.TQ1_0), new(37, "TQ2_0", DType.TQ2_0), new(38, "MXFP4_MOE", DType.MXFP4),
        new(21, "Q2_K_S", DType.Q2_K) { NeedsImportance = true }, new(39, "NVFP4", DType.NVFP4),
        new(27, "IQ3_M", DType.IQ3_S), new(26, "IQ3_S", DType.IQ3_S), new(22, "IQ3_XS", DType.IQ3_S), new(23, "IQ3_XXS", DType.IQ3_XXS),
        new(29, "IQ2_M", DType.IQ2_S), new(28, "IQ2_S", DType.IQ2_XS), new(20, "IQ2_XS", DType.IQ2_XS), new(19, "IQ2_XXS", DType.IQ2_XXS),
        new(31, "IQ1_M", DType.IQ1_M), new(24, "IQ1_S", DType.IQ1_S),
    ];

    /// <summary>Whether such files are written here: their main type must have an encoder that needs no importance matrix.</summary>
    public bool IsWritten => !NeedsImportance && (!Main.IsBlock() || BlockFormats.Of(Main).Encode is not null);

    private bool NeedsImportance { get; init; }

    /// <summary>The type of a number, which may bear the mark "guessed" (1024); null where there is none.</summary>
    public static GgufFileType? Of(long number) => All.FirstOrDefault(t => t.Number == (number & ~Guessed));

    /// <summary>The type of a name, of whatever case, that is written here. "Q3_K", "Q4_K" and "Q5_K" mean the usual mixture, M.</summary>
    /// <exception cref="MarrowException">GG025 no such type; GG026 it is read only.</exception>
    public static GgufFileType Parse(string name)
    {
        string wanted = name.ToUpperInvariant() is "Q3_K" or "Q4_K" or "Q5_K" ? $"{name}_M" : name;
        GgufFileType type = All.FirstOrDefault(t => t.Name.Equals(wanted, StringComparison.OrdinalIgnoreCase))
            ?? throw new MarrowException("GG025", $"there is no GGUF file type '{Echo.Name(name)}'{NearNames.Hint(name, Written)}{(NearNames.Of(name, Written).Count == 0 ? $"; choose among {string.Join(", ", Written)}" : "")} [GG025]");
        return type.IsWritten ? type
            : throw new MarrowException("GG026", $"files of type {type.Name} are not written here{(type.NeedsImportance ? ", since they need an importance matrix" : "")}; choose among {string.Join(", ", Written)} [GG026]");
    }

    private static IEnumerable<string> Written => All.Where(t => t.IsWritten).Select(t => t.Name);
}
