using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.SelfTest;

/// <summary>The rows of ops whose frozen weight is stored in quantised blocks, for every type that is encoded here.</summary>
public static partial class OpCases
{
    private static IEnumerable<OpCase> Quantised()
    {
        foreach (BlockFormat format in BlockFormats.All.Where(f => f.Encode is not null && f.Decode is not null))
        {
            (DType type, string name, int each) = (format.DType, format.Name, format.Elements);
            // Row lengths with an odd number of blocks, over one run of sums along k and over one slab.
            foreach ((int n, int inputs, int outputs) in new[] { (1, each, 1), (3, 3 * each, 33), (37, 768 + each, 100), (70, each, 400) })
            {
                yield return new("linear", $"{n}x{inputs}→{outputs} {name} weight", [new(n, inputs), new(outputs, inputs), new(outputs)],
                    (_, t) => Ops.Linear(t[0], t[1], t[2]), a => LinearNode.Reference(a[0], a[1], a[2])) { Quantised = (1, type) };
            }
            yield return new("product", $"5x33→{3 * each} {name} weight", [new(5, 33), new(33, 3 * each)],
                (_, t) => Ops.Product(t[0], t[1]), a => ProductNode.Reference(a[0], a[1], 0)) { Quantised = (1, type) };
            int[] ids = [3, 0, 6, 3, 1];
            yield return new("embedding", $"5 ids, width {3 * each}, {name} table", [new(7, 3 * each), new(5, 3 * each)],
                (tape, t) => Ops.Add(t[1], Ops.Embedding(tape.Upload(ids), t[0], 1.5f)), a => EmbeddingNode.Reference(ids, a[0], 1.5).Zip(a[1], (x, y) => x + y))
                { Quantised = (0, type), Activations = [1] };
            int[] targets = [7, TokenExample.Ignore, 40, 0, 3, 12];
            yield return new("linear_cross_entropy", $"6 rows, vocabulary 41, {name} head", [new(6, 3 * each), new(41, 3 * each)],
                (tape, t) => Ops.LinearCrossEntropy(t[0], t[1], tape.Upload(targets), 0.125f, out _), a => LinearCrossEntropyNode.Reference(a[0], a[1], targets, 0.125))
                { Quantised = (1, type), Range = 0.25f };
            // Few rows add beside the product, many multiply by the adapted weight.
            foreach ((int n, int r) in new[] { (3, 8), (130, each) })
            {
                yield return new("bone_linear", $"{n}x{each}→40, r {r}, {name} weight", [new(n, each), new(40, each), new(r, 40)],
                    (_, t) => Ops.BoneLinear(t[0], t[1], t[2]), a => BoneLinearNode.Reference(a[0], a[1], a[2], null)) { Quantised = (1, type) };
            }
            yield return new("bat_linear", $"9x{2 * each}→48, r 16, {name} weight", [new(9, 2 * each), new(48, 2 * each), new(3, 16, 16)],
                (_, t) => Ops.BatLinear(t[0], t[1], t[2]), a => BatLinearNode.Reference(a[0], a[1], a[2], null)) { Quantised = (1, type) };
        }
    }
}
