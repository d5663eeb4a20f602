using System.CommandLine;
using Marrow.Formats;
using Marrow.Host.CommandLine;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;
using Marrow.Host.Models;
using Marrow.Host.Progress;
using Marrow.Host.Runs;
using Marrow.Host.Training;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Marrow.Host.Commands;

/// <summary><c>marrow train JOB.yaml</c>: one training job.</summary>
internal static class TrainCommand
{
    public static CliCommand Create()
    {
        var job = new Argument<string>("JOB") { Description = "The job file (YAML)" };
        var set = new Option<string[]>("--set") { Description = "Set a key of the job, as in --set training.max_steps=5; may be repeated", HelpName = "key=value" };
        var resume = new Option<bool>("--resume") { Description = "Continue the run in output.dir from its newest checkpoint" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Remove the run in output.dir and start again" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Check everything and show the plan, without training" };
        var command = new Command("train", "Run one training job") { job, set, resume, overwrite, dryRun };
        var device = DeviceOptionSet.ForJobs(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(resume) && result.GetValue(overwrite))
                result.AddError("--resume and --overwrite exclude each other.");
        });
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, async (context, stopping) =>
        {
            string[] settings = [.. parse.GetValue(set) ?? [], .. device.Settings(parse)];
            JobFile file = JobFile.Load(parse.GetRequiredValue(job), settings);
            RunStart start = parse.GetValue(resume) ? RunStart.Resume : parse.GetValue(overwrite) ? RunStart.Overwrite : RunStart.New;
            TrainingRequest request = Request(context, file, start, device.DumpKernels(parse));
            if (parse.GetValue(dryRun))
                return DryRun(context, request, stopping);
            string again = ShellText.Command(["train", file.Path, .. settings.SelectMany(s => new[] { "--set", s }), "--resume"]);
            RunOutcome outcome = await TrainAsync(context, request).ConfigureAwait(false);
            return Report(context, outcome, again);
        }, Register));
        return new CliCommand(command, "marrow train job.yaml", "marrow train job.yaml --dry-run",
            "marrow train job.yaml --set training.max_steps=5 --set output.dir=runs/short", "marrow train job.yaml --resume",
            "marrow train job.yaml --device cuda");
    }

    /// <summary>Registers what trains.</summary>
    public static void Register(IServiceCollection services)
    {
        services.AddSingleton<TrainingJob>();
        services.AddHostedService(all => all.GetRequiredService<TrainingJob>());
    }

    /// <summary>Trains a job and shows it.</summary>
    public static Task<RunOutcome> TrainAsync(CommandContext context, TrainingRequest request) => context.Get<TrainingJob>().Run(request);

    /// <summary>A job to be trained and shown where the command's output goes.</summary>
    public static TrainingRequest Request(CommandContext context, JobFile job, RunStart start, string? dumpKernels) =>
        new(job, start, (title, peak) => TrainingDisplay.Create(context.Output, context.Json, title, peak), dumpKernels);

    private static int DryRun(CommandContext context, TrainingRequest request, CancellationToken stopping)
    {
        using TrainingPlan plan = TrainingPlan.Make(request, context.Get<DeviceOpener>(), dryRun: true, stopping);
        context.Report(PlanReport.Json(plan), output => PlanReport.Write(output, plan));
        return ExitCode.Done;
    }

    private static int Report(CommandContext context, RunOutcome outcome, string again)
    {
        bool done = outcome.Status == RunStatus.Completed;
        context.Report(new
        {
            outcome.Status, outcome.Steps, outcome.ResumedAfter, outcome.Loss, outcome.EvalLoss, outcome.Seconds, outcome.TokensPerSecond,
            outcome.Device, outcome.Run, outcome.Adapter, outcome.Warnings, Resume = done ? null : again,
        }, output =>
        {
            if (!done)
                return;
            string losses = (outcome.Loss is { } loss ? $", loss {Quantity.Loss(loss)}" : "") + (outcome.EvalLoss is { } eval ? $", eval loss {Quantity.Loss(eval)}" : "");
            output.WriteLine($"done: {outcome.Steps} steps in {Quantity.Time(TimeSpan.FromSeconds(outcome.Seconds))}{losses}");
            output.WriteLine($"  device   {outcome.Device}; at most {Quantity.Bytes(outcome.Device.PeakBytes)} held");
            output.WriteLine($"  result   {Echo.Name(outcome.Adapter!, 300)}");
            output.WriteLine($"  curve    {Echo.Name(Path.Combine(outcome.Run, "loss.svg"), 300)}");
        });
        if (done)
            return ExitCode.Done;
        context.Errors.WriteLine($"marrow: stopped after step {outcome.Steps}; a checkpoint is saved. Continue with:\n  {again}");
        return ExitCode.Cancelled;
    }
}
