using Marrow.Engine.Layers;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Models;

/// <summary>The types that a model's weights have in memory.</summary>
public static class WeightTypes
{
    // What stands in where another block type does not fit: small blocks, and errors that nobody notices.
    private const DType Spare = DType.Q8_0;

    /// <summary>
    /// The type that a weight is loaded as. Vectors are F32. For matrices <paramref name="wanted"/> decides: F32 or BF16 for all of them; null keeps BF16 and
    /// blocks that are decoded here as they are <paramref name="stored"/>, and makes F32 of everything else. A block type is for the linear layers, as QLoRA has
    /// it; with the types of the ggml family embedding and head become Q8_0, with NF4 they stay as with null. Linear layers whose rows are not
    /// whole blocks become Q8_0, or stay as with null where that does not fit either; so does whatever is stored in blocks already.
    /// </summary>
    public static DType InMemory(ModelConfig config, string name, Shape shape, DType stored, DType? wanted)
    {
        Span<int> sizes = stackalloc int[shape.Rank];
        for (int i = 0; i < shape.Rank; i++)
            sizes[i] = shape[i];
        if (!config.IsMatrix(name, sizes))
            return DType.F32;
        DType kept = stored == DType.BF16 || (stored.IsBlock() && stored.IsReal() && Fits(stored, shape)) ? stored : DType.F32;
        if (wanted is not { } type)
            return kept;
        if (!type.IsBlock())
            return type;
        bool linear = config.IsLinear(name, sizes);
        if (linear && Fits(type, shape))
            return type;
        bool spare = linear || (shape[0] == config.VocabularySize && type != DType.NF4);
        return spare && !kept.IsBlock() && Fits(Spare, shape) ? Spare : kept;
    }

    /// <summary>What should be known where <paramref name="wanted"/>, a block type, was asked for: the linear layers that did not become it, and those that <paramref name="stored"/>, where it was loaded from, holds quantised already. Empty where there is nothing to tell.</summary>
    public static IReadOnlyList<string> Remarks(CausalModel model, DType? wanted, ITensorSource? stored)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (wanted is not { } type || !type.IsBlock())
            return [];
        List<string> remarks = [];
        Weight[] others = [.. model.Linears.Select(l => l.Weight).Where(w => w.Value.DType != type)];
        if (others.Length > 0)
        {
            string named = string.Join(", ", others.Take(3).Select(w => $"{Echo.Name(w.Name)} [{w.Value.Shape[0]},{w.Value.Shape[1]}] {w.Value.DType}"));
            remarks.Add($"{others.Length} of {model.Linears.Count} linear layers are not {type}, whose blocks of {BlockFormats.Of(type).Elements} values do not fill their rows: {named}{(others.Length > 3 ? ", …" : "")}");
        }
        DType[] twice = [.. model.Linears.Where(l => l.Weight.Value.DType == type).Select(l => stored?.Tensors.GetValueOrDefault(l.Weight.Name)?.DType).OfType<DType>().Where(t => t.IsBlock() && t != type)];
        if (twice.Length > 0)
            remarks.Add($"{twice.Length} of {model.Linears.Count} linear layers are stored quantised ({string.Join(", ", twice.Distinct())}) and quantised again as {type} in memory, with the losses of both; dtype auto keeps them as they are stored");
        return remarks;
    }

    private static bool Fits(DType type, Shape shape) => shape.Last % BlockFormats.Of(type).Elements == 0;
}
