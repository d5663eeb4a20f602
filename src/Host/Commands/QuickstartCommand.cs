using System.CommandLine;
using Marrow.Formats;
using Marrow.Host.CommandLine;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;
using Marrow.Host.Models;
using Marrow.Host.Progress;
using Marrow.Host.Quickstart;
using Marrow.Host.Runs;
using Marrow.Host.Training;

namespace Marrow.Host.Commands;

/// <summary><c>marrow quickstart</c>: fine-tunes the bundled model and shows the effect.</summary>
internal static class QuickstartCommand
{
    private const int Shown = 5;
    private const string NextJob = "my-job.yaml";

    public static CliCommand Create()
    {
        var to = new Option<string>("--out") { Description = "The run folder", DefaultValueFactory = _ => Path.Combine("runs", "quickstart"), HelpName = "folder" };
        var family = new Option<string>("--model") { Description = "The family of the bundled model", DefaultValueFactory = _ => Samples.Families[0] };
        family.AcceptOnlyFromAmong([.. Samples.Families]);
        var command = new Command("quickstart", "Fine-tune a bundled tiny model and show the effect") { family, to };
        var device = DeviceOptionSet.ForJobs(command);
        command.SetAction((parse, _) => CommandHost.RunAsync(parse,
            (context, stopping) => RunAsync(context, parse.GetValue(family)!, parse.GetValue(to)!, device.Settings(parse), device.DumpKernels(parse), stopping), TrainCommand.Register));
        return new CliCommand(command, "marrow quickstart", "marrow quickstart --model rwkv7", "marrow quickstart --device opencl", "marrow quickstart --json");
    }

    private static async Task<int> RunAsync(CommandContext context, string family, string folder, IEnumerable<string> settings, string? dumpKernels, CancellationToken stopping)
    {
        Samples.Require(family);
        JobFile job = JobFile.Load(Samples.Job(family), [Set("model.path", Samples.Model(family)), Set("data.train", Samples.Train), Set("data.eval", Samples.HeldOut), Set("output.dir", folder), .. settings]);
        RunFolder.Check(job, RunStart.Overwrite);
        IReadOnlyList<Exchange> heldOut = Samples.Read(Samples.HeldOut);
        ModelChoice model = ModelChoice.Of(job.Spec, dumpKernels);
        TextWriter text = context.Json ? TextWriter.Null : context.Output;
        long start = TimeProvider.System.GetTimestamp();
        text.WriteLine($"The bundled model answers {heldOut.Count} questions that it will not be trained on …");
        IReadOnlyList<string> before = Answers(context, model, heldOut, stopping);
        double matchBefore = ExactMatch.Share(before, heldOut);
        text.WriteLine($"{Percent(matchBefore)} are exactly right. Now it is fine-tuned with {job.Spec.Adapter.Method}, r {job.Spec.Adapter.R}, {job.Spec.Training.MaxSteps} steps:");
        RunOutcome outcome = await TrainCommand.TrainAsync(context, TrainCommand.Request(context, job, RunStart.Overwrite, dumpKernels)).ConfigureAwait(false);
        if (outcome.Status != RunStatus.Completed)
            throw new OperationCanceledException();
        IReadOnlyList<string> after = Answers(context, model with { Adapter = outcome.Adapter }, heldOut, stopping);
        double matchAfter = ExactMatch.Share(after, heldOut);
        double seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        string next = Path.Combine(outcome.Run, NextJob);
        AtomicFile.WriteText(next, OwnJob());
        context.ReportJson(new
        {
            ExactMatchBefore = matchBefore,
            ExactMatchAfter = matchAfter,
            outcome.Steps,
            Seconds = seconds,
            outcome.Adapter,
            outcome.Loss,
            outcome.EvalLoss,
            outcome.Device,
            Job = next,
        });
        text.WriteLine($"held-out answers that are exactly right: {Percent(matchBefore)} before, {Percent(matchAfter)} after; all of it took {Quantity.Time(TimeSpan.FromSeconds(seconds))}");
        WriteAnswers(text, heldOut, before, after);
        WriteNext(text, Samples.Model(family), outcome, next, heldOut[0].Question);
        return ExitCode.Done;
    }

    private static IReadOnlyList<string> Answers(CommandContext context, ModelChoice choice, IReadOnlyList<Exchange> questions, CancellationToken stopping)
    {
        using LoadedModel loaded = LoadedModel.Open(choice, context.Get<DeviceOpener>());
        return ExactMatch.Answers(loaded, questions, stopping);
    }

    private static void WriteAnswers(TextWriter text, IReadOnlyList<Exchange> heldOut, IReadOnlyList<string> before, IReadOnlyList<string> after)
    {
        for (int i = 0; i < Math.Min(Shown, heldOut.Count); i++)
        {
            text.WriteLine();
            text.WriteLine($"  question  {Echo.Name(heldOut[i].Question)}");
            text.WriteLine($"  wanted    {Echo.Name(heldOut[i].Answer)}");
            text.WriteLine($"  before    {Echo.Name(before[i])}");
            text.WriteLine($"  after     {Echo.Name(after[i])}");
        }
        text.WriteLine();
    }

    private static void WriteNext(TextWriter text, string model, RunOutcome outcome, string next, string question)
    {
        text.WriteLine($"device   {outcome.Device}");
        text.WriteLine($"adapter  {ShellText.Near(outcome.Adapter!)}");
        text.WriteLine($"curve    {ShellText.Near(Path.Combine(outcome.Run, "loss.svg"))}");
        text.WriteLine();
        text.WriteLine("Ask it something:");
        text.WriteLine($"  {ShellText.Command("generate", "--model", ShellText.Near(model), "--adapter", ShellText.Near(outcome.Adapter!), "--chat", question)}");
        text.WriteLine("Fine-tune a model of your own: put its path and your data's into the ready job file, then");
        text.WriteLine($"  {ShellText.Command("train", ShellText.Near(next), "--dry-run")}");
        text.WriteLine($"  {ShellText.Command("train", ShellText.Near(next))}");
    }

    private static string Set(string key, string path) => $"{key}='{Path.GetFullPath(path).Replace("'", "''", StringComparison.Ordinal)}'";

    private static string Percent(double share) => FormattableString.Invariant($"{100 * share:0.#}%");

    private static string OwnJob() => """
        # A job for a model of your own: change the three paths.
        schema: marrow/job/v1
        model: { path: models/my-model }        # a Hugging Face folder (llama, mistral, qwen, gemma), or an RWKV-6 or RWKV-7 .pth
        adapter: { method: bone, r: 16 }        # or lora, miss, mini, bat; state (RWKV); or full for all weights
        data:
          train: train.jsonl                    # {"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]} on each line
          eval_split: 0.05                      # set aside to evaluate on
          max_length: 512
        training:
          epochs: 1
          batch_size: 2
          gradient_accumulation_steps: 4
          learning_rate: 1e-3
          lr_schedule: cosine
          warmup_steps: 10
          eval_steps: 50
          save_steps: 50
        output: { dir: runs/mine }

        """;
}
