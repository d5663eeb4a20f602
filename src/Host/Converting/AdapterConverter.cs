using System.CommandLine;
using System.Globalization;
using Marrow.Adapters;
using Marrow.Adapters.Converting;
using Marrow.Adapters.Converting.Combining;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Host.CommandLine;

namespace Marrow.Host.Converting;

/// <summary>The part of <c>marrow convert</c> that is about adapters.</summary>
internal sealed class AdapterConverter
{
    private static readonly Dictionary<string, CombinationMethod> Methods = Enum.GetValues<CombinationMethod>()
        .ToDictionary(m => string.Concat(m.ToString().Select((c, i) => char.IsUpper(c) && i > 0 ? $"_{char.ToLowerInvariant(c)}" : $"{char.ToLowerInvariant(c)}")));

    private readonly Option<string?> model = new("--model") { Description = "The adapter's base model, where the conversion needs its names, sizes or weights", HelpName = "path" };
    private readonly Option<double?> alpha = new("--adapter-alpha") { Description = "The lora_alpha of IN and of what --add names, where their files do not hold it (RWKV-PEFT)" };
    private readonly Option<double?> writtenAlpha = new("--alpha") { Description = "The lora_alpha to write (that which leaves most factors untouched); mlx, which has none, says it divided by the rank" };
    private readonly Option<string?> init = new("--init") { Description = "The start of an adapter that was trained on a changed base (PiSSA, OLoRA): init_pissa.pth, or the untrained adapter's folder", HelpName = "path" };
    private readonly Option<bool> asLora = new("--as-lora") { Description = "Write LoRA, also where the kind could hold the adapter's own method" };
    private readonly Option<bool> approximate = new("--approximate") { Description = "Write the best LoRA of --rank where no exact one exists, and tell the error" };
    private readonly Option<int?> rank = new("--rank") { Description = "Rank of --approximate, and of the svd ways of combining" };
    private readonly Option<bool> allowError = new("--allow-error") { Description = "Write an approximation also where its relative error is above 10%" };
    private readonly Option<string[]> add = new("--add") { Description = "Another adapter to combine with IN, with its weight: path=0.5 (1 where not given)", HelpName = "path", AllowMultipleArgumentsPerToken = false };
    private readonly Option<double> weight = new("--weight") { Description = "Weight of IN", DefaultValueFactory = _ => 1 };
    private readonly Option<string> combine = new("--combine") { Description = $"How adapters are combined, as PEFT does it: {string.Join(", ", Methods.Keys)}; cat is the exact sum", HelpName = "method", DefaultValueFactory = _ => "cat" };
    private readonly Option<double?> density = new("--density") { Description = "Part of the values that ties, dare and magnitude_prune keep" };
    private readonly Option<string> others = new("--others") { Description = "What becomes of norms, embeddings and others that differ too, where IN is a tuned model: refuse, skip, or save them whole", DefaultValueFactory = _ => "refuse" };
    private readonly Option<string> signs = new("--signs") { Description = "How ties elects a value's sign: by the total of the values, or by the frequency of the signs", DefaultValueFactory = _ => "total" };
    private readonly Option<ulong> seed = new("--seed") { Description = "Seed of dare's choice" };

    /// <summary>Adds the options to a command.</summary>
    public AdapterConverter(Command command)
    {
        combine.AcceptOnlyFromAmong([.. Methods.Keys]);
        signs.AcceptOnlyFromAmong("total", "frequency");
        others.AcceptOnlyFromAmong("refuse", "skip", "save");
        foreach (Option option in Options)
            command.Options.Add(option);
    }

    /// <summary>The options that mean nothing for models.</summary>
    public IReadOnlyList<Option> Options => [model, alpha, writtenAlpha, init, asLora, approximate, rank, allowError, add, weight, combine, density, signs, seed, others];

    /// <summary>Converts; <paramref name="isAdapter"/> tells whether the source is one, or a tuned model whose change is wanted.</summary>
    /// <exception cref="MarrowException">As <see cref="AdapterConversion.Run"/>; CL012 an option is missing or has no good value; IO009 the target exists.</exception>
    public void Run(ParseResult parse, CommandContext context, string source, string target, string? wanted, bool isAdapter, bool overwrite, CancellationToken stopping)
    {
        if (Path.Exists(target) && !overwrite)
            throw new MarrowException("IO009", $"{Echo.Name(target, 300)}: exists already; choose another name, or allow it to be overwritten (--overwrite) [IO009]");
        int? most = parse.GetValue(rank);
        if (most is < 1)
            throw new MarrowException("CL012", $"--rank is {most}, but must be above 0");
        if (parse.GetValue(approximate) && most is null)
            throw new MarrowException("CL012", "--approximate needs --rank: the rank of the LoRA that is written");
        using ModelFolder? folder = parse.GetValue(model) is { } path ? ModelFolder.Open(path) : null;
        AdapterKind kind = wanted is not null ? AdapterKinds.Find(wanted) : KindOf(target);
        AdapterConversionReport report = isAdapter ? Convert(parse, source, target, kind, folder, most, stopping) : Extract(parse, source, target, kind, folder, most, stopping);
        context.Report(new
        {
            Out = target,
            report.From,
            Kind = report.To,
            Exactness = $"{report.Exactness}".ToLowerInvariant(),
            report.RelativeError,
            report.Alpha,
            report.Scale,
            Layers = report.Layers.Select(l => new { l.Module, l.From, l.As, l.Rank, Exactness = $"{l.Exactness}".ToLowerInvariant(), l.RelativeError, l.ErrorOfWeight }),
            report.Carried,
            report.Warnings,
        }, output => Write(output, report));
    }

    private AdapterConversionReport Convert(ParseResult parse, string source, string target, AdapterKind kind, ModelFolder? folder, int? most, CancellationToken stopping)
    {
        RefuseIdle(parse);
        double? given = parse.GetValue(alpha);
        // What has a start is PiSSA's, without alpha.
        string? start = parse.GetValue(init);
        AdapterInput[] inputs = [new AdapterInput(source, parse.GetValue(weight)) { Alpha = start is null ? AlphaFor(source, given) : null, Initial = start }, .. (parse.GetValue(add) ?? []).Select(a => Other(a, given))];
        if (given is not null && inputs.All(i => i.Alpha is null))
            throw new MarrowException("CL012", "--adapter-alpha is for LoRA in RWKV-PEFT files, and what is given here says its scale itself, or is PiSSA's (--init), which has none; leave it out");
        return AdapterConversion.Run(new AdapterConversionRequest
        {
            Inputs = inputs,
            Output = target,
            Target = kind,
            Model = folder,
            AsLora = parse.GetValue(asLora),
            Alpha = parse.GetValue(writtenAlpha),
            Approximate = parse.GetValue(approximate) ? new LowRankLimit(most!.Value) { AllowError = parse.GetValue(allowError) } : null,
            Combination = new Combination { Method = Methods[parse.GetValue(combine)!], Density = parse.GetValue(density), SignsByCount = parse.GetValue(signs) == "frequency", Seed = parse.GetValue(seed), Rank = most },
        }, stopping);
    }

    /// <summary>What is given and would be passed over is a mistake.</summary>
    private void RefuseIdle(ParseResult parse)
    {
        bool approximates = parse.GetValue(approximate), combines = parse.Gives(add);
        if (parse.Gives(others))
            throw new MarrowException("CL010", $"{others.Name} is about tuned models, and IN is an adapter; leave it out");
        if (!combines && parse.FirstGiven(combine, density, signs, seed) is { } several)
            throw new MarrowException("CL012", $"{several.Name} is about several adapters; name another (--add path=0.5), or leave it out");
        string way = parse.GetValue(combine)!;
        if (parse.Gives(signs) && !way.Contains("ties", StringComparison.Ordinal))
            throw new MarrowException("CL012", $"{signs.Name} is about --combine ties and its kin, and {way} elects no signs; leave it out");
        if (parse.Gives(seed) && !way.StartsWith("dare", StringComparison.Ordinal))
            throw new MarrowException("CL012", $"{seed.Name} is about the draws of --combine dare_linear and dare_ties, and {way} draws nothing; leave it out");
        if (!approximates && parse.Gives(allowError))
            throw new MarrowException("CL012", $"{allowError.Name} is about --approximate; give both, or leave it out");
        if (!approximates && parse.Gives(rank) && !(combines && way.EndsWith("svd", StringComparison.Ordinal)))
            throw new MarrowException("CL012", $"{rank.Name} is that of --approximate, or of a --combine that ends in svd; give one of these, or leave it out");
    }

    private AdapterConversionReport Extract(ParseResult parse, string source, string target, AdapterKind kind, ModelFolder? folder, int? most, CancellationToken stopping)
    {
        if (folder is null || most is null || !parse.GetValue(approximate))
            throw new MarrowException("CL012", $"{Echo.Name(source, 300)} is a model, whose change against its base can become an adapter: give the base (--model) and the rank (--approximate --rank 32)");
        // Nothing else of this command means anything here.
        if (parse.FirstGiven(alpha, init, add, weight, combine, density, signs, seed, asLora) is { } idle)
            throw new MarrowException("CL010", $"{idle.Name} is about adapters, and {Echo.Name(source, 300)} is a model; leave it out");
        using ModelFolder tuned = ModelFolder.Open(source);
        return AdapterExtraction.Run(new AdapterExtractionRequest
        {
            Base = folder,
            Tuned = tuned,
            Output = target,
            Target = kind,
            Limit = new LowRankLimit(most.Value) { AllowError = parse.GetValue(allowError) },
            Others = parse.GetValue(others) switch { "skip" => OtherChanges.Skip, "save" => OtherChanges.Save, _ => OtherChanges.Refuse },
            Alpha = parse.GetValue(writtenAlpha),
        }, stopping);
    }

    // A file that says its scale itself takes no other.
    private static double? AlphaFor(string path, double? given) => AdapterFiles.HoldsScale(path) ? null : given;

    private static AdapterInput Other(string text, double? alpha)
    {
        int at = text.LastIndexOf('=');
        if (at < 0 || Path.Exists(text))
            return new AdapterInput(text) { Alpha = AlphaFor(text, alpha) };
        return double.TryParse(text[(at + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out double factor) ? new AdapterInput(text[..at], factor) { Alpha = AlphaFor(text[..at], alpha) }
            : throw new MarrowException("CL012", $"--add: {Echo.Quote(text)} names no weight after its '='; write path=0.5");
    }

    // A folder is PEFT's.
    private static AdapterKind KindOf(string target)
    {
        string ending = Path.GetExtension(target);
        if (AdapterKinds.All.FirstOrDefault(k => k.Ending is { } own && own.Equals(ending, StringComparison.OrdinalIgnoreCase)) is { } kind)
            return kind;
        OutputEnding.RequireFolder(target, AdapterKinds.All.Select(k => k.Ending).OfType<string>(), "peft");
        return AdapterKinds.Find("peft");
    }

    private static void Write(TextWriter output, AdapterConversionReport report)
    {
        string Number(double value) => value.ToString("g3", CultureInfo.InvariantCulture);
        output.WriteLine($"{Echo.Name(report.Output, 300)}: {report.To} of {string.Join(" and ", report.From)}, {report.Layers.Count} layers{(report.Alpha is { } alpha ? $", alpha {Number(alpha)}" : "")}{(report.Scale is { } scale ? $", scale {Number(scale)}" : "")}");
        foreach (var group in report.Layers.GroupBy(l => (l.From, l.As, l.Rank, l.Exactness)))
        {
            string told = group.Key.Exactness switch
            {
                Exactness.Exact => "exact",
                Exactness.Rounded => "rounded once",
                _ => $"approximate: relative error {Number(group.Min(l => l.RelativeError!.Value))} to {Number(group.Max(l => l.RelativeError!.Value))}, worst {Echo.Name(group.MaxBy(l => l.RelativeError)!.Module)}",
            };
            output.WriteLine($"  {group.Count(),4} layers of {group.Key.From}{(group.Key.As == group.Key.From ? "" : $" as {group.Key.As}")}, rank {group.Key.Rank}: {told}");
        }
        if (report.RelativeError is { } error)
            output.WriteLine($"  relative error over all approximated layers: {Number(error)}");
        if (report.Carried.Count > 0)
            output.WriteLine($"  {report.Carried.Count} other tensors were copied: {string.Join(", ", report.Carried.Take(5).Select(n => Echo.Name(n)))}{(report.Carried.Count > 5 ? ", …" : "")}");
        foreach (string warning in report.Warnings)
            output.WriteLine($"  warning: {warning}");
    }
}
