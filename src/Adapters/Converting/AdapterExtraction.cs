using System.Globalization;
using System.Numerics.Tensors;
using Marrow.Adapters.LowRank;
using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>Makes LoRA of the difference between two models, a layer at a time, with the error stated (spec/formats.md §8.5, §8.7).</summary>
public static class AdapterExtraction
{
    private const int PieceElements = 1 << 20;

    /// <summary>Decomposes the difference of every linear layer.</summary>
    /// <exception cref="MarrowException">AC001 nothing differs, or the request makes no sense; AC009 the error is above the limit; AC013 the models differ in more than values, or in what LoRA cannot hold.</exception>
    public static AdapterConversionReport Run(AdapterExtractionRequest request, CancellationToken cancellation = default)
    {
        AdapterOutput.Check(request.Target, request.Output, request.Alpha, request.Limit);
        ITensorSource before = request.Base.Tensors, after = request.Tuned.Tensors;
        RequireSameTensors(before, after);
        var model = new BaseWeights(request.Base);
        HashSet<string> linears = [.. model.Linears.Select(l => l + ".weight")];
        List<AdaptedModule> layers = [];
        List<LayerConversion> reports = [];
        List<(TensorInfo Tensor, double Change)> others = [];
        List<string> warnings = [];
        int unchanged = 0;
        foreach (TensorInfo tensor in before.Tensors.Values)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!linears.Contains(tensor.Name))
            {
                if (RelativeChange(before, after, tensor) is var change && change != 0)
                    others.Add((after.Tensors[tensor.Name], change));
            }
            else if (Difference(before, after, tensor.Name, out double squares) is { } difference)
            {
                var (layer, report) = LayerFitting.Nearest(BaseWeights.ModuleOf(tensor.Name), difference, (int)tensor.Shape[0], (int)tensor.Shape[1], request.Limit.Rank, squares);
                layers.Add(layer);
                reports.Add(report);
                request.Progress?.Report(report);
            }
            else
            {
                unchanged++;
            }
        }
        if (layers.Count == 0)
            throw new MarrowException("AC001", $"No linear layer differs between {Echo.Name(request.Base.Path)} and {Echo.Name(request.Tuned.Path)}; there is nothing to make LoRA of. [AC001]");
        if (unchanged > 0)
            warnings.Add(string.Create(CultureInfo.InvariantCulture, $"{unchanged} of {linears.Count} linear layers are the same in both models and get no LoRA"));
        HashSet<string> adapted = [.. layers.Select(l => l.Module)];
        CarriedTensor[] carried = Others(request, others, adapted, warnings);
        return AdapterOutput.Write(request.Target, request.Output, new AdapterContents(layers, carried) { BaseModel = request.Base.Path },
            new(reports, ["difference of two models"], warnings) { Alpha = request.Alpha, Limit = request.Limit, IsDifference = true }, model);
    }

    private static CarriedTensor[] Others(AdapterExtractionRequest request, List<(TensorInfo Tensor, double Change)> others, HashSet<string> adapted, List<string> warnings)
    {
        if (others.Count == 0)
            return [];
        string list = string.Join(", ", others.Take(8).Select(o => string.Create(CultureInfo.InvariantCulture, $"{Echo.Name(o.Tensor.Name)} ({o.Change:P2})"))) + (others.Count > 8 ? ", …" : "");
        switch (request.Others)
        {
            case OtherChanges.Save:
                return [.. others.Select(o => new CarriedTensor(o.Tensor.Name, o.Tensor.Name.EndsWith(".bias", StringComparison.Ordinal) && adapted.Contains(BaseWeights.ModuleOf(o.Tensor.Name)) ? CarriedKind.Bias
                    : CarriedKind.Saved, request.Tuned.Tensors, o.Tensor))];
            case OtherChanges.Skip:
                warnings.Add($"left out, although they differ: {list}");
                return [];
            default:
                throw new MarrowException("AC013", $"{others.Count} tensors differ that are no linear layer's: {list}. LoRA cannot hold them: leave them out (--others skip), or write them whole where the kind allows (--others save). [AC013]");
        }
    }

    private static void RequireSameTensors(ITensorSource before, ITensorSource after)
    {
        foreach (TensorInfo tensor in before.Tensors.Values)
        {
            if (!after.Tensors.TryGetValue(tensor.Name, out TensorInfo? other) || !other.Shape.SequenceEqual(tensor.Shape))
                throw new ModelFileException("AC013", after.Path, $"tensor '{Echo.Name(tensor.Name)}' is {(other is null ? "missing" : other.ShapeText)}, but {tensor.ShapeText} in {Echo.Name(before.Path)}; "
                    + "the models must have the same tensors (a larger vocabulary cannot be LoRA)");
        }
        if (after.Tensors.Keys.FirstOrDefault(n => !before.Tensors.ContainsKey(n)) is { } added)
            throw new ModelFileException("AC013", after.Path, $"tensor '{Echo.Name(added)}' is not in {Echo.Name(before.Path)}; the models must have the same tensors");
    }

    /// <summary>The difference in fp32, and ‖W‖² of the base; null where nothing differs.</summary>
    private static float[]? Difference(ITensorSource before, ITensorSource after, string name, out double squares)
    {
        float[] from = before.ReadFloats(name), to = after.ReadFloats(name);
        squares = Svd.SumOfSquares(from);
        TensorPrimitives.Subtract(to, from, to);
        if (to.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
            throw new ModelFileException("AC010", after.Path, $"tensor '{Echo.Name(name)}' holds values that are not finite here or in {Echo.Name(before.Path)}");
        return to.AsSpan().ContainsAnyExcept(0f) ? to : null;
    }

    private static double RelativeChange(ITensorSource before, ITensorSource after, TensorInfo tensor)
    {
        var from = new float[Math.Min(PieceElements, tensor.Count)];
        var to = new float[from.Length];
        double changes = 0, weights = 0;
        for (long at = 0; at < tensor.Count; at += from.Length)
        {
            int n = (int)Math.Min(from.Length, tensor.Count - at);
            before.ReadFloats(tensor.Name, at, from.AsSpan(0, n));
            after.ReadFloats(tensor.Name, at, to.AsSpan(0, n));
            for (int i = 0; i < n; i++)
            {
                double d = (double)to[i] - from[i];
                changes += d * d;
                weights += (double)from[i] * from[i];
            }
        }
        return changes == 0 ? 0 : Math.Sqrt(changes / Math.Max(weights, double.Epsilon));
    }
}
