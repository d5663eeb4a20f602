using System.CommandLine;
using System.Globalization;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Host.CommandLine;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow convert IN OUT</c>: model and adapter files between kinds.</summary>
internal static class ConvertCommand
{
    private static readonly string[] ModelKinds = ["hf", "safetensors", "gguf", "pth"];

    public static CliCommand Create()
    {
        var from = new Argument<string>("IN") { Description = "A model or an adapter, file or folder; its kind is told by its content" };
        var to = new Argument<string>("OUT") { Description = "The file or folder to write" };
        var kind = new Option<string?>("--to") { Description = "Kind of OUT, which otherwise follows from its name: hf, safetensors, gguf, pth for models", HelpName = "kind" };
        var storeAs = new Option<string?>("--store-as") { Description = "Type of the written weights: fp32, bf16, fp16; for gguf also q8_0, q6_k, q5_k_m, q4_k_m, q4_0 and the others (that of each tensor in IN where not given)", HelpName = "type" };
        var requantize = new Option<bool>("--requantize") { Description = "Quantise weights that are quantised already, which adds up the losses" };
        var shard = new Option<string?>("--shard-size") { Description = "Most bytes in one file of weights, as in 5GB or 500MB: a folder's shards (5GB where not given), a split GGUF", HelpName = "size" };
        var verify = new Option<bool>("--verify") { Description = "Read everything again and compare it with the source" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace OUT where it exists" };
        var threads = new Option<int>("--threads") { Description = "Threads that convert; 0 takes all processors" };
        kind.AcceptOnlyFromAmong(ModelKinds);
        threads.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 0)
                result.AddError("--threads must be at least 0");
        });
        var command = new Command("convert", "Convert a model or an adapter into another kind of file") { from, to, kind, storeAs, requantize, shard, verify, overwrite, threads };
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
        {
            string source = parse.GetRequiredValue(from), target = parse.GetRequiredValue(to);
            ModelKind wanted = parse.GetValue(kind) is { } said ? (ModelKind)Array.IndexOf(ModelKinds, said) : ModelConversion.KindOf(target);
            using ModelFolder folder = ModelFolder.Open(source);
            using var display = new TransferDisplay(context.Errors, context.Get<TimeProvider>(), !Console.IsErrorRedirected && ReferenceEquals(context.Errors, Console.Error));
            long? most = parse.GetValue(shard) is { } size ? Size(size) : null;
            ConversionOptions options = Types(wanted, parse.GetValue(storeAs)) with
            {
                AllowRequantize = parse.GetValue(requantize),
                Overwrite = parse.GetValue(overwrite),
                MaxShardBytes = most ?? new ConversionOptions().MaxShardBytes,
                MaxSplitBytes = most,
                Threads = parse.GetValue(threads),
                Verify = parse.GetValue(verify),
                Progress = display.Tell,
                Cancellation = stopping,
            };
            long started = context.Get<TimeProvider>().GetTimestamp();
            ConversionReport report = ModelConversion.Write(target, wanted, SourceModel.Of(folder), options);
            double seconds = context.Get<TimeProvider>().GetElapsedTime(started).TotalSeconds;
            display.Dispose();
            context.Report(new
            {
                Out = target,
                Kind = ModelKinds[(int)report.Kind],
                report.Files,
                report.Bytes,
                report.Exact,
                report.Verified,
                Seconds = seconds,
                Tensors = report.Tensors.Select(t => new { t.Name, t.Shape, From = t.From.ToString(), To = t.To.ToString(), t.Bytes, t.Exact, t.RelativeError, t.Fallback }),
                report.Warnings,
            }, output => Write(output, report, seconds));
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow convert models/llama models/llama.gguf", "marrow convert models/llama models/llama-q4.gguf --store-as q4_k_m --verify",
            "marrow convert models/llama-q8.gguf models/llama --store-as bf16", "marrow convert models/rwkv7.pth models/rwkv7.gguf");
    }

    /// <summary>Plain types for every kind, file types for GGUF.</summary>
    private static ConversionOptions Types(ModelKind kind, string? name)
    {
        DType? plain = name?.ToLowerInvariant() switch { "fp32" or "f32" => DType.F32, "bf16" => DType.BF16, "fp16" or "f16" => DType.F16, _ => null };
        if (name is null)
            return new ConversionOptions();
        if (kind == ModelKind.Gguf)
            return new ConversionOptions { FileType = GgufFileType.Parse(plain?.ToString() ?? name) };
        return plain is { } type ? new ConversionOptions { StoreAs = type }
            : throw new MarrowException("CL008", $"--store-as: {Echo.Quote(name)} is not a type of {ModelKinds[(int)kind]} files; choose fp32, bf16 or fp16, or write a .gguf file");
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

    private static void Write(TextWriter output, ConversionReport report, double seconds)
    {
        string Number(double value) => value.ToString("g3", CultureInfo.InvariantCulture);
        output.WriteLine($"{Echo.Name(report.Path, 300)}: {report.Tensors.Count} tensors, {Quantity.Bytes(report.Bytes)} in {(report.Files.Count == 1 ? "one file" : $"{report.Files.Count} files")}, {Quantity.Bytes((long)(report.Bytes / Math.Max(seconds, 1e-3)))}/s");
        foreach (var group in report.Tensors.GroupBy(t => (t.From, t.To)).OrderByDescending(g => g.Sum(t => t.Bytes)))
        {
            double? error = group.Max(t => t.RelativeError);
            string kept = group.All(t => t.Exact) ? group.Key.From == group.Key.To ? "copied" : "exact" : error is { } worst ? $"relative error up to {Number(worst)}" : "rounded";
            output.WriteLine($"  {group.Key.From,-5} → {group.Key.To,-5} {group.Count(),5} tensors, {kept}");
        }
        foreach (ConvertedTensor tensor in report.Tensors.Where(t => t.Fallback is not null))
            output.WriteLine($"  {Echo.Name(tensor.Name)} [{string.Join(',', tensor.Shape)}] is {tensor.To}: {tensor.Fallback}");
        foreach (string warning in report.Warnings)
            output.WriteLine($"  warning: {warning}");
        if (report.Verified)
            output.WriteLine("  verified: everything was read again and is as it should be");
    }
}
