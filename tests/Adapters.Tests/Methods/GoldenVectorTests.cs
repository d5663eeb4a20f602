using System.Globalization;
using Marrow.Adapters.Methods;

namespace Marrow.Adapters.Tests.Methods;

/// <summary>Small vectors computed elsewhere in double precision (spec/adapters.md, appendix A).</summary>
public sealed class GoldenVectorTests
{
    private const double Tolerance = 1e-5;

    [Fact]
    public void Bone_with_a_partial_shard()
    {
        using var layer = new OneLayer(new MissConfig { R = 2 }, 3, 5, Fill(15, 5, 1), Fill(6, 3, 2));
        Close("-0.7 -0.4 -0.8 -0.5 0.2 | -0.1 0.2 -0.2 0.1 -0.3 | 0.5 -0.3 0.4 -0.4 0.3", layer.Merged());
        float[] y = layer.Run(Fill(10, 7, 3), Fill(6, 4, 6), out float[] dx, out float[][] gradients);
        Close("0.09 -0.05 0.03 | -0.13 0 0.13", y);
        Close("-0.01 0.25 -0.04 | -0.08 0.35 0.01", gradients[0]);
        Close("-0.22 0.12 -0.26 0.08 -0.19 | -0.14 -0.15 -0.1 -0.11 0.16", dx);
    }

    [Fact]
    public void Mini()
    {
        using var layer = new OneLayer(new MissMiniConfig { R = 2, MiniR = 2 }, 4, 4, Fill(16, 5, 1), Fill(4, 3, 2));
        float[] y = layer.Run(Fill(8, 7, 3), Fill(8, 4, 6), out _, out float[][] gradients);
        Close("0.17 -0.15 0.02 -0.52 | 0.13 -0.17 0.01 0.04", y);
        Close("0.01 -0.07 | -0.08 -0.01", gradients[0]);
    }

    [Fact]
    public void Bat_is_tied_by_outputs()
    {
        using var layer = new OneLayer(new BatConfig { R = 2 }, 4, 4, Fill(16, 5, 1), Fill(8, 3, 2));
        double[] merged = layer.Merged();
        Close("-0.55 0.05 -0.65 0 | 0.62 -0.55 0.52 -0.6 | -0.08 -0.05 -0.2 -0.12 | 0.28 -0.69 0.6 -0.1", merged);
        float[] y = layer.Run(Fill(8, 7, 3), Fill(8, 4, 6), out float[] dx, out float[][] gradients);
        Close("0.07 -0.167 0.007 -0.311 | 0.04 -0.14 0.012 -0.158", y);
        Close("-0.061 -0.007 -0.076 0.086 | 0.02 0.06 0.178 -0.25", gradients[0]);
        Close("0.327 -0.398 0.355 -0.296 | 0.077 0.291 -0.027 0.064", dx);
    }

    [Fact]
    public void Bat_of_rwkv_is_tied_by_inputs()
    {
        using var layer = new OneLayer(new BatRowConfig { R = 2 }, 4, 4, Fill(16, 5, 1), Fill(8, 3, 2));
        double[] merged = layer.Merged();
        Close("-0.55 0.05 -0.6 0.05 | 0.62 -0.55 0.64 -0.48 | -0.18 -0.15 -0.2 -0.12 | 0.22 -0.75 0.6 -0.1", merged);
        float[] y = layer.Run(Fill(8, 7, 3), Fill(8, 4, 6), out float[] dx, out float[][] gradients);
        Close("0.06 -0.191 -0.023 -0.329 | 0.035 -0.152 -0.028 -0.182", y);
        Close("-0.014 0.035 -0.296 0.31 | -0.027 0.018 0.398 -0.474", gradients[0]);
        Close("0.335 -0.39 0.42 -0.231 | 0.071 0.285 -0.064 0.027", dx);
    }

    [Fact]
    public void Bat_is_undone_by_the_inverse_of_its_blocks()
    {
        double[] weight = Fill(36, 5, 1), block = Fill(18, 3, 2);
        using var layer = new OneLayer(new BatConfig { R = 3 }, 6, 6, weight, block);
        double[] merged = layer.Merged();
        WeightChange change = layer.Change();
        Assert.True(change.CanUndo);
        for (int o = 0; o < 6; o++)
            change.Undo(o, merged.AsSpan(o * 6, 6));
        Assert.All(merged.Zip(weight), p => Assert.Equal((float)p.Second, p.First, 1e-12));
    }

    [Fact]
    public void A_singular_block_can_be_applied_but_not_undone()
    {
        using var layer = new OneLayer(new BatConfig { R = 2 }, 2, 2, Fill(4, 5, 1), [-1.0, 0, 0, 0.5]);
        Assert.False(layer.Change().CanUndo);
        Assert.All(layer.Merged(), v => Assert.True(double.IsFinite(v)));
    }

    private static double[] Fill(int count, int a, int b) => [.. Enumerable.Range(0, count).Select(k => ((a * k + b) % 11 - 5) / 10.0)];

    private static double[] Parse(string values) =>
        [.. values.Replace("|", " ", StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => double.Parse(v, CultureInfo.InvariantCulture))];

    private static void Close(string want, float[] got) => Close(want, Array.ConvertAll(got, v => (double)v));

    private static void Close(string want, double[] got)
    {
        double[] values = Parse(want);
        Assert.Equal(values.Length, got.Length);
        for (int i = 0; i < values.Length; i++)
            Assert.True(Math.Abs(values[i] - got[i]) <= Tolerance, $"at {i}: {got[i]}, expected {values[i]}");
    }
}
