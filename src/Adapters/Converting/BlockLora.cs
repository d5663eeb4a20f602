using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>
/// Bone and MiSS mini as LoRA, exactly: A [r, inputs] is one where the input's number mod r is the row, B = Dᵀ (mini: its columns repeated), scale 1
/// (spec/formats.md §8.6).
/// </summary>
internal static class BlockLora
{
    /// <summary>The LoRA of a layer; <paramref name="model"/> says how many inputs and outputs it has.</summary>
    /// <exception cref="MarrowException">AC006 the base model was not given.</exception>
    public static LowRankLayer Of(BlockLayer layer, BaseWeights? model)
    {
        if (model is null)
            throw new MarrowException("AC006", $"'{Echo.Name(layer.Module)}' has {layer.Method}, whose file does not say how many inputs the layer has; give the base model (--model) to make LoRA of it. [AC006]");
        (int outputs, int inputs) = model.SizeOf(layer.Module)!.Value;
        int r = layer.Rank;
        AdapterMatrix d = AdapterMatrix.Of(layer.Source, layer.Tensor.Name), b = d.Transposed();
        if (layer.Form == BlockForm.Mini)
            b = b.WithRows([.. Enumerable.Range(0, outputs).Select(o => o % d.Columns)]);
        return new LowRankLayer(layer.Module, AdapterMatrix.OfOnes(r, inputs, b.Type, (i, j) => j % r == i), b, new LoraScale(r)) { IsRounded = layer.IsRounded };
    }
}
