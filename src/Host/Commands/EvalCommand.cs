using System.CommandLine;
using Marrow.Engine.Training;
using Marrow.Formats.Datasets;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Models;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow eval</c>: the loss of a model on a data file.</summary>
internal static class EvalCommand
{
    public static CliCommand Create()
    {
        var data = new Option<string>("--data") { Description = "The file of examples: JSONL, or binidx (the .idx, the .bin or their common name)", Required = true, HelpName = "file" };
        var format = new Option<string>("--format") { Description = "Form of the examples; auto looks at the first one, and takes .idx and .bin for binidx", DefaultValueFactory = _ => "auto" };
        var maxLength = new Option<int>("--max-length") { Description = "Longest example in tokens; longer ones are cut", DefaultValueFactory = _ => 512 };
        var batch = new Option<int>("--batch-size") { Description = "Examples computed at a time", DefaultValueFactory = _ => 8 };
        var whole = new Option<bool>("--no-mask-prompt") { Description = "Count every token, prompts too" };
        format.AcceptOnlyFromAmong("auto", "text", "completion", "chat", "alpaca", "tokens", "binidx");
        AtLeastOne(batch);
        var command = new Command("eval", "Measure the loss of a model on a data file");
        var model = new ModelOptions(command);
        foreach (Option option in new Option[] { data, format, maxLength, batch, whole })
            command.Options.Add(option);
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
        {
            using LoadedModel loaded = LoadedModel.Open(model.Read(parse), context.Get<DeviceOpener>());
            LoadedDataset set = DatasetLoader.Load(parse.GetRequiredValue(data), new DatasetOptions
            {
                Format = DatasetOptions.ParseFormat(parse.GetValue(format)!),
                MaxLength = parse.GetValue(maxLength),
                MaskPrompt = !parse.GetValue(whole),
            }, loaded.Vocabulary, stopping);
            using var evaluator = new Evaluator(loaded.Model, parse.GetValue(batch));
            Evaluation result = evaluator.Run(set.Examples, stopping);
            context.Report(new
            {
                result.Loss,
                result.Perplexity,
                Tokens = result.Targets,
                Examples = result.Examples.Select(e => new { e.Loss, Tokens = e.Targets }),
                Device = loaded.Use,
            }, output =>
            {
                output.WriteLine($"loss        {Quantity.Loss(result.Loss)}");
                output.WriteLine($"perplexity  {Quantity.Short(result.Perplexity)}");
                output.WriteLine(FormattableString.Invariant($"tokens      {result.Targets:N0} counted in {result.Examples.Count:N0} examples"));
                output.WriteLine($"device      {loaded.Use}");
                if (set.Statistics.Truncated > 0)
                    context.Errors.WriteLine(FormattableString.Invariant($"marrow: warning: {set.Statistics.Truncated} examples were cut to {set.Statistics.MaxLength} tokens; see --max-length"));
            });
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow eval --model models/llama --adapter runs/first/adapter --data test.jsonl");
    }

    private static void AtLeastOne(Option<int> option) => option.Require(count => count >= 1, $"{option.Name} must be at least 1.");
}
