using System.Numerics.Tensors;
using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;
using Tensor = Marrow.Engine.Tensor;

namespace Marrow.Adapters.Merging;

/// <summary>The arithmetic of merging: rows in double precision, several at a time, rounded once to the weight's type.</summary>
internal static class AdapterMerge
{
    private const int PieceElements = 1 << 20;

    private delegate void RowWork(int row, Span<float> stored, double[] exact);

    /// <summary>What merging would do to each tensor, without doing it.</summary>
    /// <exception cref="MarrowException">AD008 a value, or a weight after merging, is not finite.</exception>
    public static TensorChange[] Measure(AdaptedModel adapted)
    {
        foreach (Engine.Training.Parameter parameter in adapted.Parameters.Parameters)
        {
            foreach (float v in parameter.Value.ToArray())
            {
                if (!float.IsFinite(v))
                    throw new MarrowException("AD008", $"The adapter's tensor '{parameter.Name}' {parameter.Value} holds {v}; the base model is left as it is. "
                        + "Take an earlier checkpoint of the adapter. [AD008]");
            }
        }
        return [.. adapted.Adapters.Select(a => Measure(a.Layer.Weight.Name, a.Layer.Weight.Value, a.Change())),
            .. adapted.Saved.Select(s => Measure(s.Weight.Name, s.Original, new Replacement(s.Parameter.Value.ToArray())) with { UnmergeError = 0 }),
            .. adapted.States.Select(s => Measure(s.State.Name, s.Original, new Replacement(s.Parameter.Value.ToArray())) with { UnmergeError = 0 })];
    }

    /// <summary>The type of a weight once something is merged into it: its own, or fp32 where it is quantised, since small changes would be lost in its blocks.</summary>
    public static DType TypeMerged(Tensor weight) => weight.DType.IsBlock() ? DType.F32 : weight.DType;

    /// <summary>Changes a layer's weight in place; a quantised one is replaced by its changed values in fp32.</summary>
    public static void Change(LayerAdapter adapter, bool undo)
    {
        WeightChange change = adapter.Change();
        Tensor weight = adapter.Layer.Weight.Value;
        Tensor changed = weight.DType.IsBlock() ? new Tensor(weight.Device, weight.Shape) : weight;
        ForRows(weight, (row, stored, exact) =>
        {
            Widen(stored, exact);
            if (undo)
                change.Undo(row, exact);
            else
                change.Apply(row, exact);
            Narrow(exact, stored);
        }, changed);
        if (changed != weight)
            adapter.Layer.Weight.Replace(changed);
    }

    /// <summary>The logits of every row of a batch, [N, V].</summary>
    public static float[] Logits(CausalModel model, TokenBatch batch)
    {
        using var tape = new Tape(model.Device);
        return model.Logits(tape, batch).ToArray();
    }

    private static TensorChange Measure(string name, Tensor weight, WeightChange change)
    {
        int rows = weight.Shape.Rows;
        bool narrow = weight.DType == DType.BF16;
        var largest = new double[rows];
        var sums = new double[rows];
        var changes = new double[rows];
        var weights = new double[rows];
        var errors = new double[rows];
        ForRows(weight, (row, stored, exact) =>
        {
            Widen(stored, exact);
            change.Apply(row, exact);
            var merged = new float[exact.Length];
            Narrow(exact, merged);
            if (narrow)
                Round(merged);
            for (int i = 0; i < merged.Length; i++)
            {
                double d = (double)merged[i] - stored[i];
                largest[row] = Math.Max(largest[row], Math.Abs(d));
                sums[row] += Math.Abs(d);
                changes[row] += d * d;
                weights[row] += (double)stored[i] * stored[i];
            }
            if (!change.CanUndo)
                return;
            Widen(merged, exact);
            change.Undo(row, exact);
            Narrow(exact, merged);
            if (narrow)
                Round(merged);
            errors[row] = TensorPrimitives.Distance(merged, stored) == 0 ? 0 : LargestDifference(merged, stored);
        });
        if (!double.IsFinite(sums.Sum()))
            throw new MarrowException("AD008", $"Merging would put values that are not finite into '{name}' {weight}; the base model is left as it is. "
                + "The adapter's values are too large for this type: was the right base model loaded? [AD008]");
        return new TensorChange(name, $"{TypeMerged(weight)}{weight.Shape}", weight.Shape.Count, largest.Max(), sums.Sum() / weight.Shape.Count,
            changes.Sum(), weights.Sum(), change.CanUndo ? errors.Max() : null);
    }

    // Rows go to threads, but each row's arithmetic is its own: the result does not depend on their number.
    private static void ForRows(Tensor weight, RowWork work, Tensor? changed = null)
    {
        int n = weight.Shape.Last, rows = weight.Shape.Rows, most = Math.Max(1, PieceElements / n);
        var values = new float[Math.Min(rows, most) * n];
        for (int first = 0; first < rows; first += most)
        {
            int count = Math.Min(most, rows - first), start = first;
            weight.ReadFloats(values.AsSpan(0, count * n), (long)first * n);
            Parallel.For(0, count, () => new double[n], (row, _, exact) =>
            {
                work(start + row, values.AsSpan(row * n, n), exact);
                return exact;
            }, _ => { });
            changed?.WriteFloats(values.AsSpan(0, count * n), (long)first * n);
        }
    }

    private static void Widen(ReadOnlySpan<float> from, double[] to) => TensorPrimitives.ConvertChecked<float, double>(from, to);

    private static void Narrow(double[] from, Span<float> to) => TensorPrimitives.ConvertTruncating<double, float>(from, to);

    private static void Round(float[] values)
    {
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(BFloat16)values[i];
    }

    private static double LargestDifference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double largest = 0;
        for (int i = 0; i < a.Length; i++)
            largest = Math.Max(largest, Math.Abs((double)a[i] - b[i]));
        return largest;
    }

    /// <summary>The change of a weight that was trained whole; its original is kept, so nothing is computed to undo it.</summary>
    private sealed class Replacement(float[] values) : WeightChange
    {
        public override bool CanUndo => false;

        public override void Apply(int output, Span<double> row)
        {
            for (int i = 0; i < row.Length; i++)
                row[i] = values[(long)output * row.Length + i];
        }

        public override void Undo(int output, Span<double> row) => throw new InvalidOperationException("the original is kept");
    }
}
