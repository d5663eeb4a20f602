namespace Marrow.Engine.SelfTest;

/// <summary>The rows of the product by blocks.</summary>
public static partial class OpCases
{
    private static IEnumerable<OpCase> BlockProducts()
    {
        foreach ((int n, int blocks, int r) in new[] { (1, 1, 1), (9, 5, 8), (3, 1, 31), (33, 3, 33), (130, 6, 16), (2, 4099, 1) })
        {
            yield return new("block_product", $"{n} rows, {blocks} blocks of {r}", [new(n, blocks * r), new(blocks, r, r)],
                (_, t) => Ops.BlockProduct(t[0], t[1]), a => BlockProductNode.Reference(a[0], a[1]));
        }
        yield return new("block_product", "input used twice", [new(7, 24), new(3, 8, 8)], (_, t) => Ops.Add(t[0], Ops.BlockProduct(t[0], t[1])),
            a => a[0].Zip(BlockProductNode.Reference(a[0], a[1]), (x, u) => x + u));
    }
}
