namespace Marrow.Formats.Gguf.Architectures;

/// <summary>How an official tensor stands in a GGUF file.</summary>
internal enum GgufForm
{
    /// <summary>The same shape and bytes.</summary>
    Same,

    /// <summary>The rows of each query head in pairs (spec/formats.md §6.3).</summary>
    QueryRows,

    /// <summary>The rows of each key head in pairs.</summary>
    KeyRows,

    /// <summary>The weight of a norm plus 1, in fp32.</summary>
    PlusOne,

    /// <summary>[1,1,C] as [C].</summary>
    Vector,

    /// <summary>[1,1,C] as one part of [n,1,1,C].</summary>
    Part,

    /// <summary>The last two dimensions exchanged.</summary>
    Transposed,

    /// <summary>[H,N] as [H·N].</summary>
    Flat,

    /// <summary>[H,N]; of a single head [N].</summary>
    Heads,

    /// <summary>Divided by a power of two that grows with the block.</summary>
    Divided,
}

/// <summary>One tensor's two names, without what names its block.</summary>
/// <param name="Official">The official one.</param>
/// <param name="Gguf">That of GGUF files.</param>
/// <param name="Form">How it stands there.</param>
/// <param name="Index">Its place, where it is a part.</param>
/// <param name="Parts">The parts there are, where it is a part.</param>
internal sealed record GgufRule(string Official, string Gguf, GgufForm Form = GgufForm.Same, int Index = 0, int Parts = 0)
{
    /// <summary>A module's weight and bias.</summary>
    public static GgufRule[] Affine(string official, string gguf, GgufForm form = GgufForm.Same) =>
        [new($"{official}.weight", $"{gguf}.weight", form), new($"{official}.bias", $"{gguf}.bias", form)];
}
