using System.Globalization;
using Marrow.Adapters.Mlx;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Conversion;

namespace Marrow.Adapters.Converting;

/// <summary>What is known when an adapter is written.</summary>
/// <param name="Layers">What became of each layer.</param>
/// <param name="From">The kinds of the inputs.</param>
/// <param name="Warnings">What should be known.</param>
internal sealed record OutputNotes(List<LayerConversion> Layers, IReadOnlyList<string> From, List<string> Warnings)
{
    /// <summary>The alpha that is asked for.</summary>
    public double? Alpha { get; init; }

    /// <summary>The error that is allowed.</summary>
    public LowRankLimit? Limit { get; init; }

    /// <summary>Whether the change is that of a tuned model against its base, and no adapter's.</summary>
    public bool IsDifference { get; init; }
}

/// <summary>The last stage of every conversion: what the target cannot hold is refused, scales are folded, the file is written, the report made.</summary>
internal static class AdapterOutput
{
    /// <summary>Checks what is asked for before anything is read.</summary>
    /// <exception cref="MarrowException">AC001 it makes no sense; IO009 a folder stands there that is more than an adapter's.</exception>
    public static void Check(AdapterKind target, string output, double? alpha, LowRankLimit? limit)
    {
        if (target.Ending is { } ending && !Path.GetExtension(output).Equals(ending, StringComparison.OrdinalIgnoreCase))
            throw new MarrowException("AC001", $"{Echo.Name(output)}: a {target.Name} file is known by its ending {ending}; name it so. [AC001]");
        if (target.Ending is null)
            RequireReplaceable(output);
        if (alpha is { } given && (!double.IsFinite(given) || given <= 0))
            throw new MarrowException("AC001", string.Create(CultureInfo.InvariantCulture, $"alpha is {given}, but must be a finite number above 0. [AC001]"));
        if (limit is { Rank: < 1 or > 1 << 20 })
            throw new MarrowException("AC001", $"The rank is {limit.Rank}, but must lie in 1 … {1 << 20}. [AC001]");
        if (limit is not null && !(limit.MostError >= 0))
            throw new MarrowException("AC001", string.Create(CultureInfo.InvariantCulture, $"The largest allowed error is {limit.MostError}, but must be at least 0. [AC001]"));
    }

    /// <summary>Writes layers that <see cref="LayerFitting"/> made fit.</summary>
    public static AdapterConversionReport Write(AdapterKind target, string output, AdapterContents contents, OutputNotes notes, BaseWeights? model)
    {
        List<LayerConversion> reports = notes.Layers;
        RefuseCarried(target, contents);
        RefuseError(notes);
        double common = 0;
        if (contents.Layers.OfType<LowRankLayer>().ToArray() is { Length: > 0 } low)
        {
            (IReadOnlyList<LowRankLayer> folded, common) = ScaleFolding.Fold(low, target, notes.Alpha);
            var byModule = folded.ToDictionary(l => l.Module);
            contents = contents with { Layers = [.. contents.Layers.Select(l => l is LowRankLayer ? byModule[l.Module] : l)] };
            for (int i = 0; i < reports.Count; i++)
            {
                bool rounded = byModule.TryGetValue(reports[i].Module, out LowRankLayer? layer) && (layer.IsRounded || (!target.KeepsScales && target.Scales != ScaleForm.OneScale && !ScaleFolding.IsFloat(layer.Scale.Alpha)));
                reports[i] = reports[i] with { Rank = layer?.Rank ?? reports[i].Rank, Exactness = rounded && reports[i].Exactness == Exactness.Exact ? Exactness.Rounded : reports[i].Exactness };
            }
        }
        target.Write(output, contents, new AdapterWriting(model, common, notes.Warnings));
        return new AdapterConversionReport(notes.From, target.Name, output, reports, [.. contents.Carried.Select(c => c.Name)], notes.Warnings)
        {
            Alpha = target.Scales == ScaleForm.OneAlpha && common != 0 ? common : null,
            Scale = target.Scales == ScaleForm.OneScale && common != 0 ? common : null,
        };
    }

    private static void RequireReplaceable(string folder)
    {
        OutputTarget.RequireReplaceable(folder, "an adapter", name => name is PeftConfig.FileName or PeftFolder.TensorFile or PeftFolder.OldTensorFile or MlxKind.TensorFile or "README.md");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any() && !File.Exists(Path.Combine(folder, PeftConfig.FileName)))
            throw new MarrowException("IO009", $"{Echo.Name(folder, 300)}: holds no adapter, and all of it would be replaced; choose another name. [IO009]");
    }

    private static void RefuseCarried(AdapterKind target, AdapterContents contents)
    {
        (CarriedTensor Tensor, string? Why)[] refused = [.. contents.Carried.Select(c => (c, target.Refusal(c))).Where(c => c.Item2 is not null)];
        if (refused.Length > 0)
            throw new MarrowException("AC005", $"A {target.Name} file {refused[0].Why}, and the adapter brings {refused.Length}: {string.Join(", ", refused.Take(5).Select(r => $"{Echo.Name(r.Tensor.Name)} {r.Tensor.Tensor.ShapeText}"))}"
                + $"{(refused.Length > 5 ? ", …" : "")}. They would be lost: merge the adapter into the model instead ({(refused.Any(r => r.Tensor.Kind == CarriedKind.Bias) ? "with PEFT" : "marrow merge")}), or write peft{(refused.Any(r => r.Tensor.Kind == CarriedKind.State) ? " or rwkv-peft" : "")}. [AC005]");
        if (contents.Layers.Count == 0 && contents.Carried.Count == 0)
            throw new MarrowException("AC002", "The adapter holds nothing. [AC002]");
    }

    private static void RefuseError(OutputNotes notes)
    {
        if (notes.Limit is not { AllowError: false } limit || AdapterConversionReport.ErrorOf(notes.Layers) is not { } error || error <= limit.MostError)
            return;
        LayerConversion[] worst = [.. notes.Layers.Where(r => r.RelativeError is not null).OrderByDescending(r => r.RelativeError).Take(3)];
        throw new MarrowException("AC009", string.Create(CultureInfo.InvariantCulture, $"LoRA of rank {limit.Rank} misses {error:P1} of {(notes.IsDifference ? "the difference of the models" : "the adapter's change")} (Frobenius), above the limit of {limit.MostError:P1}; ")
            + $"worst are {string.Join(", ", worst.Select(w => string.Create(CultureInfo.InvariantCulture, $"{Echo.Name(w.Module)} ({w.RelativeError:P1})")))}. Raise --rank, accept the error (--allow-error), or {(notes.IsDifference ? "use the tuned model as it is" : "merge the adapter into the model (marrow merge)")}. [AC009]");
    }
}
