using System.CommandLine;
using System.Globalization;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Host.CommandLine;
using Marrow.Host.Models;
using Marrow.Host.Progress;

namespace Marrow.Host.Converting;

/// <summary>The part of <c>marrow convert</c> that is about models.</summary>
internal sealed class ModelConverter
{
    /// <summary>The kinds of model files by the names that the command line has for them, in the order of <see cref="ModelKind"/>.</summary>
    public static readonly string[] Kinds = ["hf", "safetensors", "gguf", "pth"];

    private readonly Option<string?> storeAs = new("--store-as")
    {
        Description = "Type of a model's written weights: fp32, bf16, fp16; for gguf also q8_0, q6_k, q5_k_m, q4_k_m, q4_0 and others (that of each tensor in IN where not given)", HelpName = "type",
    };
    private readonly Option<bool> requantize = new("--requantize") { Description = "Quantise weights that are quantised already, which adds up the losses" };
    private readonly Option<string?> shard = new("--shard-size") { Description = "Most bytes in one file of weights, as in 5GB or 500MB: a folder's shards (5GB where not given), a split GGUF", HelpName = "size" };
    private readonly Option<string?> pre = new("--pre") { Description = "Name of the pre-tokenizer in a GGUF file, where that of tokenizer.json is not recognised: gpt-2, llama-bpe, qwen2 …", HelpName = "name" };
    private readonly Option<bool> verify = new("--verify") { Description = "Read everything again and compare it with the source" };
    private readonly Option<int> threads = new("--threads") { Description = "Threads that convert; 0 takes all processors" };

    /// <summary>Adds the options to a command.</summary>
    public ModelConverter(Command command)
    {
        threads.Require(count => count is >= 0 and <= 1024, "--threads must be between 0 and 1024.");
        foreach (Option option in Options)
            command.Options.Add(option);
    }

    /// <summary>The options that mean nothing for adapters.</summary>
    public IReadOnlyList<Option> Options => [storeAs, requantize, shard, pre, verify, threads];

    /// <summary>Converts.</summary>
    /// <exception cref="MarrowException">As <see cref="ModelFolder.Open"/> and <see cref="ModelConversion.Write"/>; CL008, CL009 an option's value; CL012 an option that means nothing here.</exception>
    public void Run(ParseResult parse, CommandContext context, string source, string target, ModelKind kind, bool overwrite, CancellationToken stopping)
    {
        RefuseIdle(parse, kind);
        TimeProvider time = context.Get<TimeProvider>();
        long? most = parse.GetValue(shard) is { } size ? Size(size) : null;
        ConversionOptions options = Types(kind, parse.GetValue(storeAs)) with
        {
            AllowRequantize = parse.GetValue(requantize),
            Overwrite = overwrite,
            MaxShardBytes = most ?? new ConversionOptions().MaxShardBytes,
            MaxSplitBytes = most,
            PreTokenizer = parse.GetValue(pre),
            Threads = parse.GetValue(threads),
            Verify = parse.GetValue(verify),
            Cancellation = stopping,
        };
        using ModelFolder folder = ModelFolder.Open(source);
        if (parse.Gives(pre) && folder.Gguf is not null)
            throw new MarrowException("CL012", $"{pre.Name} names what tokenizer.json has no name for, and {Echo.Name(source, 300)} is a GGUF file, whose tokenizer is copied; leave it out");
        string? unused = RequireWhole(folder, kind);
        long started = time.GetTimestamp();
        ConversionReport report;
        using (var display = new TransferDisplay(context.Errors, time, !Console.IsErrorRedirected && ReferenceEquals(context.Errors, Console.Error)))
            report = ModelConversion.Write(target, kind, SourceModel.Of(folder), options with { Progress = display.Tell });
        report = report with { Warnings = [.. folder.Warnings, .. unused is null ? [] : new[] { unused }, .. report.Warnings] };
        double seconds = time.GetElapsedTime(started).TotalSeconds;
        context.Report(new
        {
            Out = target,
            Kind = Kinds[(int)report.Kind],
            report.Files,
            report.Bytes,
            report.Exact,
            report.Verified,
            Seconds = seconds,
            Tensors = Tensors(report),
            report.Warnings,
        }, output => Write(output, report, seconds));
    }

    /// <summary>What is given and would be passed over is a mistake.</summary>
    private void RefuseIdle(ParseResult parse, ModelKind kind)
    {
        if (kind != ModelKind.Gguf && parse.FirstGiven(pre, requantize) is { } quantised)
            throw new MarrowException("CL012", $"{quantised.Name} is about GGUF files, and OUT is of the kind {Kinds[(int)kind]}; leave it out");
        if (kind is ModelKind.Safetensors or ModelKind.Pth && parse.Gives(shard))
            throw new MarrowException("CL012", $"{shard.Name} is about folders and GGUF files, and a model of the kind {Kinds[(int)kind]} is one file; leave it out, or write one of these");
        if (parse.Gives(requantize) && !parse.Gives(storeAs))
            throw new MarrowException("CL012", $"{requantize.Name} is about {storeAs.Name}, without which every tensor keeps its type; give both, or leave it out");
    }

    /// <summary>The kind that OUT's name means.</summary>
    /// <exception cref="MarrowException">CL012 its ending is mistyped, or another program's.</exception>
    public static ModelKind KindOf(string target)
    {
        ModelKind kind = ModelConversion.KindOf(target);
        if (kind == ModelKind.HuggingFace)
            OutputEnding.RequireFolder(target, [".gguf", ".safetensors", ".pth"], "hf");
        return kind;
    }

    /// <summary>What --store-as means: plain types for every kind, file types for GGUF.</summary>
    /// <exception cref="MarrowException">CL008 a type that the kind does not have; GG025, GG026 no file type, or one that is not written.</exception>
    public static ConversionOptions Types(ModelKind kind, string? name)
    {
        DType? plain = name?.ToLowerInvariant() switch { "fp32" or "f32" => DType.F32, "bf16" => DType.BF16, "fp16" or "f16" => DType.F16, _ => null };
        if (name is null)
            return new ConversionOptions();
        if (kind == ModelKind.Gguf)
            return new ConversionOptions { FileType = GgufFileType.Parse(plain?.ToString() ?? name) };
        return plain is { } type ? new ConversionOptions { StoreAs = type }
            : throw new MarrowException("CL008", $"--store-as: {Echo.Quote(name)} is not a type of {Kinds[(int)kind]} files; choose fp32, bf16 or fp16, or write a .gguf file");
    }

    /// <summary>Checks that configuration and weights belong together, so that no file is made that nobody can use; what the model has no use for is the answer, where it is copied.</summary>
    /// <exception cref="ModelFileException">MD002 tensors are missing or of other shapes; MD001 there are some of no part of the model, and the kind has places by name.</exception>
    private static string? RequireWhole(ModelFolder folder, ModelKind kind)
    {
        ModelLayout layout = ModelLayout.Compare(folder.Tensors, folder.Config);
        if (layout.Missing is [var first, ..])
            throw new ModelFileException("MD002", folder.Path, $"configuration and weights do not belong together: {first}{(layout.Missing.Count > 1 ? $", and so {layout.Missing.Count - 1} more" : "")}; `marrow inspect` lists them. Mend config.json, or fetch the model again");
        if (layout.Left.Count == 0)
            return null;
        string left = $"{layout.Left.Count} tensors belong to no part of a {folder.Config.ModelType} model of {folder.Config.LayerCount} layers, among them {string.Join(", ", layout.Left.Take(3).Select(n => Echo.Name(n)))}";
        return kind != ModelKind.Gguf ? $"{left}; they are copied" : throw new ModelFileException("MD001", folder.Path, $"{left}; mend config.json, or leave them out of the model");
    }

    /// <summary>"5GB", "500MB", "4GiB" or a number of bytes.</summary>
    private static long Size(string text)
    {
        (string Unit, double Bytes)[] units = [("GIB", 1 << 30), ("MIB", 1 << 20), ("KIB", 1 << 10), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1), ("", 1)];
        string upper = text.Trim().ToUpperInvariant();
        (string unit, double bytes) = units.First(u => upper.EndsWith(u.Unit, StringComparison.Ordinal));
        return double.TryParse(upper[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number * bytes is >= 1 and < 1e18
            ? (long)(number * bytes) : throw new MarrowException("CL009", $"--shard-size: {Echo.Quote(text)} is not a size; write it as in 5GB, 500MB or 4GiB");
    }

    /// <summary>The written tensors for --json.</summary>
    public static IEnumerable<object> Tensors(ConversionReport report) =>
        report.Tensors.Select(t => new { t.Name, t.Shape, From = t.From.ToString(), To = t.To.ToString(), t.Bytes, t.Exact, t.RelativeError, t.Fallback });

    /// <summary>Tells from what and into what types tensors were written, and what that lost, in a line each.</summary>
    public static void WriteTypes(TextWriter output, ConversionReport report)
    {
        foreach (var group in report.Tensors.GroupBy(t => (t.From, t.To, t.Exact)).OrderByDescending(g => g.Sum(t => t.Bytes)))
        {
            double? error = group.Max(t => t.RelativeError);
            string kept = group.Key.Exact ? group.Key.From == group.Key.To ? "copied" : "exact" : error is { } worst ? $"relative error up to {worst.ToString("g3", CultureInfo.InvariantCulture)}" : "rounded";
            output.WriteLine($"  {group.Key.From,-5} → {group.Key.To,-5} {group.Count(),5} tensors, {kept}");
        }
        foreach (var group in report.Tensors.Where(t => t.Fallback is not null).GroupBy(t => t.Fallback))
            output.WriteLine($"  {string.Join(", ", group.Take(3).Select(t => Echo.Name(t.Name)))}{(group.Count() > 3 ? $" and {group.Count() - 3} more" : "")}: {group.Key}");
    }

    private static void Write(TextWriter output, ConversionReport report, double seconds)
    {
        output.WriteLine($"{Echo.Name(report.Path, 300)}: {report.Tensors.Count} tensors, {Quantity.Bytes(report.Bytes)} in {(report.Files.Count == 1 ? "one file" : report.Kind == ModelKind.Gguf ? $"{report.Files.Count} files, the first of them {Echo.Name(Path.GetFileName(report.Files[0]))}" : $"{report.Files.Count} files")}, {Quantity.Bytes((long)(report.Bytes / Math.Max(seconds, 1e-3)))}/s");
        WriteTypes(output, report);
        foreach (string warning in report.Warnings)
            output.WriteLine($"  warning: {warning}");
        if (report.Verified)
            output.WriteLine("  verified: everything was read again and is as it should be");
    }
}
