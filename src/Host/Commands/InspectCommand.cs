using System.CommandLine;
using Marrow.Formats;
using Marrow.Host.CommandLine;
using Marrow.Host.Inspecting;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow inspect PATH</c>: what a file or folder holds, and everything that is wrong with it.</summary>
internal static class InspectCommand
{
    public static CliCommand Create()
    {
        var path = new Argument<string>("PATH") { Description = "A model or an adapter (folder or file), or any .safetensors, .gguf or .pth file" };
        var all = new Option<bool>("--all") { Description = "List every tensor, not one line for each kind" };
        var values = new Option<bool>("--values") { Description = "Read every value: statistics of each tensor, NaN and infinity" };
        var command = new Command("inspect", "Show what a file or folder holds, and check it") { path, all, values };
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
        {
            Inspection found = FileInspection.Of(parse.GetRequiredValue(path), parse.GetValue(values), stopping);
            long bytes = found.Tensors.Sum(t => t.Bytes), count = found.Tensors.Sum(t => t.Shape.Aggregate(1L, (n, d) => n * d));
            context.Report(new { found.Kind, found.Path, Parameters = count, Bytes = bytes, found.Facts, found.Metadata, found.Tensors, found.Warnings, found.Problems },
                output => Write(output, found, bytes, count, parse.GetValue(all)));
            return Task.FromResult(found.Problems.Count == 0 ? ExitCode.Done : ExitCode.BadInput);
        }));
        return new CliCommand(command, "marrow inspect models/llama", "marrow inspect models/rwkv7.pth --values", "marrow inspect runs/first/adapter --json");
    }

    private static void Write(TextWriter output, Inspection found, long bytes, long count, bool all)
    {
        output.WriteLine($"{found.Kind}: {Echo.Name(found.Path, 300)}");
        foreach ((string name, string value) in found.Facts)
            output.WriteLine($"  {name + ":",-16} {Echo.Name(value, 300)}");
        foreach ((string key, string value) in found.Metadata)
            output.WriteLine($"  {"metadata:",-16} {Echo.Name(key)} = {Echo.Name(value, 300)}");
        output.WriteLine(FormattableString.Invariant($"  {"tensors:",-16} {found.Tensors.Count}, {count:N0} values, {Quantity.Bytes(bytes)}"));
        foreach (string line in TensorTable.Lines(found.Tensors, all))
            output.WriteLine($"    {line}");
        foreach (string warning in found.Warnings)
            output.WriteLine($"  warning: {warning}");
        foreach (InspectionProblem problem in found.Problems)
            output.WriteLine($"  PROBLEM: {problem.Message}{(problem.Message.EndsWith($"[{problem.Code}]", StringComparison.Ordinal) ? "" : $" [{problem.Code}]")}");
        output.WriteLine(found.Problems.Count switch { 0 => "  no problem found", 1 => "  1 problem", int n => $"  {n} problems" });
    }
}
