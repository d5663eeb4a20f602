using Marrow.Adapters.Converting.Combining;
using Marrow.Formats;
using Marrow.Formats.Conversion;

namespace Marrow.Adapters.Converting;

/// <summary>Converts any adapter file into any other: exactly, with the error stated, or refused by name (spec/formats.md §8).</summary>
public static class AdapterConversion
{
    /// <summary>Converts, combining where there are several inputs.</summary>
    /// <exception cref="MarrowException">
    /// AC001 … AC013 as the messages say; otherwise what the readers and writers of the kinds throw. Nothing is written then.
    /// </exception>
    public static AdapterConversionReport Run(AdapterConversionRequest request, CancellationToken cancellation = default)
    {
        Check(request);
        BaseWeights? model = request.Model is null ? null : new BaseWeights(request.Model);
        List<IDisposable> open = [];
        try
        {
            List<string> warnings = [];
            List<(string Path, AdapterContents Contents, double Weight)> adapters = [];
            List<string> kinds = [];
            foreach (AdapterInput input in request.Inputs)
            {
                AdapterDocument document = AdapterKinds.Of(input.Path).Open(input.Path, input.Alpha);
                open.Add(document);
                adapters.Add((input.Path, Read(input, document, model, open), input.Weight));
                warnings.AddRange(document.Warnings);
                kinds.Add(document.Kind.Name);
            }
            CommonBase.Check([.. adapters.Select(a => (a.Path, a.Contents))], model is not null, warnings);
            var fitting = new LayerFitting(request.Target, model, request.AsLora, request.Approximate);
            List<LayerConversion> reports = [];
            var combination = new AdapterCombination(request.Combination);
            AdapterContents contents = Sum([.. adapters.Select(a => (a.Contents, a.Weight))], combination, request.Combination, model);
            contents = contents with { Layers = [.. contents.Layers.Select(Fit)], BaseModel = contents.BaseModel ?? model?.Path };
            return AdapterOutput.Write(request.Target, request.Output, contents, new(reports, kinds, warnings) { Alpha = request.Alpha, Limit = request.Approximate }, model);

            AdaptedModule Fit(AdaptedModule layer)
            {
                cancellation.ThrowIfCancellationRequested();
                var (fitted, report) = fitting.Fit(layer);
                reports.Add(combination.Truncations.GetValueOrDefault(layer.Module) is { } cut && report.Exactness != Exactness.Approximate ? cut : report);
                request.Progress?.Report(reports[^1]);
                return fitted;
            }
        }
        finally
        {
            foreach (IDisposable files in open)
                files.Dispose();
        }
    }

    private static AdapterContents Sum(IReadOnlyList<(AdapterContents Contents, double Weight)> adapters, AdapterCombination combination, Combination how, BaseWeights? model)
    {
        if (adapters is [{ Weight: 1 } only])
            return only.Contents;
        if (BlockSum.Of(adapters, how) is { } blocks)
            return blocks;
        // Beside LoRA, Bone is LoRA.
        (AdapterContents Contents, double Weight)[] addable =
            [.. adapters.Select(a => (a.Contents with { Layers = [.. a.Contents.Layers.Select(l => l is BlockLayer { IsBat: false } block ? BlockLora.Of(block, model) : l)] }, a.Weight))];
        return addable is [var (one, weight)] ? AdapterCombination.Weighted(one, weight) : combination.Combine(addable);
    }

    private static AdapterContents Read(AdapterInput input, AdapterDocument document, BaseWeights? model, List<IDisposable> open)
    {
        if (document is RwkvPeftDocument { } rwkv)
            rwkv.IsPissa = input.Initial is not null;
        AdapterContents contents = document.Read(model);
        if (contents.Unresolved is [var first, ..])
            throw new ModelFileException("AC006", document.Path, $"'{Echo.Name(first)}' and perhaps more names cannot be told apart into module paths; give the base model (--model)");
        if (input.Initial is { } initial)
        {
            InitialFactors start = InitialFactors.Open(initial, model);
            open.Add(start);
            return start.Complete(contents);
        }
        return contents.ChangedBase is not { } changed ? contents : throw new ModelFileException("AC012", document.Path,
            $"{changed}: the adapter belongs to a base that its start was taken off, not to the base model. Give the start (--init, the untrained adapter's folder or init_pissa.pth), which makes it LoRA of twice the rank on the base model");
    }

    private static void Check(AdapterConversionRequest request)
    {
        if (request.Inputs.Count == 0)
            throw new MarrowException("AC001", "There is no adapter to convert; give at least one. [AC001]");
        if (request.Inputs.FirstOrDefault(i => !double.IsFinite(i.Weight)) is { } odd)
            throw new MarrowException("AC001", $"{Echo.Name(odd.Path)}: its weight is {odd.Weight}, but must be a finite number. [AC001]");
        if (request.Inputs.FirstOrDefault(i => i is { Initial: not null, Alpha: not null }) is { } both)
            throw new MarrowException("AC001", $"{Echo.Name(both.Path)}: is given a start (--init) and an alpha; RWKV-PEFT's PiSSA, which starts are for, has none. Leave the alpha out. [AC001]");
        AdapterOutput.Check(request.Target, request.Output, request.Alpha, request.Approximate);
        OutputTarget.RequireElsewhere(request.Output, request.Inputs.SelectMany(i => new[] { i.Path, i.Initial, request.Model?.Path }).OfType<string>());
    }
}
