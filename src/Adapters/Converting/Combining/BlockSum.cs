namespace Marrow.Adapters.Converting.Combining;

/// <summary>Sums of Bone and MiSS mini of one block size: their changes are linear in the blocks, so D = Σ wᵢ·Dᵢ is exactly the sum of the changes (spec/adapters.md §4.7).</summary>
internal static class BlockSum
{
    /// <summary>The sum; null where the adapters hold anything else, or another method than a plain sum is asked for.</summary>
    public static AdapterContents? Of(IReadOnlyList<(AdapterContents Contents, double Weight)> adapters, Combination how)
    {
        if (how is not { Method: CombinationMethod.Cat or CombinationMethod.Linear, Density: null } || adapters.Any(a => a.Contents.Carried.Count > 0))
            return null;
        BlockLayer[] all = [.. adapters.SelectMany(a => a.Contents.Layers).OfType<BlockLayer>()];
        if (all.Length == 0 || all.Length != adapters.Sum(a => a.Contents.Layers.Count) || all.Any(b => b.IsBat || (b.Form, b.Rank) != (all[0].Form, all[0].Rank) || (b.Form == BlockForm.Mini && b.Tensor.Shape[1] != all[0].Tensor.Shape[1])))
            return null;
        OrderedDictionary<string, AdapterMatrix> sums = [];
        foreach ((AdapterContents contents, double weight) in adapters)
        {
            foreach (BlockLayer layer in contents.Layers.Cast<BlockLayer>())
            {
                AdapterMatrix weighted = AdapterMatrix.Of(layer.Source, layer.Tensor.Name).Times(weight);
                sums[layer.Module] = sums.TryGetValue(layer.Module, out AdapterMatrix? sum) ? sum.Plus(weighted) : weighted;
            }
        }
        var source = new MatrixTensors("combined adapters", sums);
        return adapters[0].Contents with { Layers = [.. sums.Keys.Select(m => new BlockLayer(m, all[0].Form, source, source.Tensors[m]) { IsRounded = sums[m].IsRounded })] };
    }
}
