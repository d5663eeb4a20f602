using Marrow.Adapters;
using Marrow.Engine.Cpu;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Host.Jobs;
using Marrow.Host.Models;
using Marrow.Host.Progress;
using Marrow.Host.Runs;
using Microsoft.Extensions.Logging;

namespace Marrow.Host.Training;

/// <summary>One run from the job to the result.</summary>
internal static partial class TrainingRun
{
    /// <summary>Trains until all steps are done or <paramref name="stopping"/> asks to stop, which the running step finishes before.</summary>
    /// <exception cref="MarrowException">The job cannot be run, or the run failed; the run folder's manifest says so too.</exception>
    public static RunOutcome Execute(TrainingRequest request, TimeProvider time, ILogger log, CancellationToken stopping)
    {
        using TrainingPlan plan = TrainingPlan.Make(request.Job, request.Start, dryRun: false, stopping);
        foreach (string warning in plan.Warnings)
            Warn(log, warning);
        RunManifest made = Describe(plan, stopping);
        using LoadedModel loaded = LoadedModel.Open(plan.Folder, ModelChoice.Of(plan.Job.Spec));
        using FineTuning tuning = Tuning.Of(loaded.Model, plan.Job.Spec, []);
        using var trainer = new Trainer(loaded.Model, tuning.Parameters, plan.Data.Train, plan.Options(), plan.Data.Eval);
        using RunFolder run = RunFolder.Open(plan.Job, request.Start, time);
        var checkpoints = new CheckpointStore(run.Checkpoints, plan.Job.Spec.Training.SaveTotalLimit);
        string identity = ResolvedJob.Identity(plan.Job.Spec);
        if (request.Start == RunStart.Resume)
        {
            run.RequireSameFiles(made);
            Restore(trainer, checkpoints, identity, log);
        }
        int after = trainer.Step;
        made = made with { Device = loaded.Device.Description, Threads = loaded.Device.Pool.Threads };
        run.Begin(made, after);
        long began = time.GetTimestamp();
        try
        {
            using ITrainingDisplay display = request.Display(Path.GetFileName(run.Root), FmaPeak.AllCores(loaded.Device.Pool) * 1e9);
            var recorder = new RunRecorder(run, checkpoints, identity, display);
            bool finished = trainer.Run(recorder, stopping) == TrainingOutcome.Finished;
            string result = tuning is AdaptedModel ? run.Adapter : run.Model;
            if (finished)
            {
                if (plan.Job.Spec.Training.SaveSteps is null)
                    recorder.CheckpointDue(trainer);
                tuning.Save(result, plan.Folder);
            }
            run.End(finished ? RunStatus.Completed : RunStatus.Cancelled);
            return new RunOutcome(run.Manifest.Status, run.Root, finished ? result : null, trainer.Step, after, run.LastLoss, run.LastEvaluation,
                time.GetElapsedTime(began).TotalSeconds, recorder.TokensPerSecond, recorder.PeakBytes, plan.Warnings);
        }
        catch (Exception error)
        {
            // The folder may be what failed; the first error is the one to tell.
            try
            {
                run.End(RunStatus.Failed, error.Message);
            }
            catch (MarrowException second)
            {
                Warn(log, second.Message);
            }
            throw;
        }
    }

    private static void Restore(Trainer trainer, CheckpointStore checkpoints, string identity, ILogger log)
    {
        TrainingCheckpoint? newest = checkpoints.Latest(out IReadOnlyList<string> skipped);
        foreach (string reason in skipped)
            Warn(log, $"a checkpoint is passed over: {reason}");
        if (newest is null)
            Say(log, "no checkpoint yet: the run begins at its first step");
        else
        {
            trainer.Restore(newest, identity);
            Say(log, $"resumed after step {newest.Step}");
        }
    }

    private static RunManifest Describe(TrainingPlan plan, CancellationToken stopping) => new()
    {
        Base = [FileHash.Of(Path.Combine(plan.Folder.Path, "config.json"), stopping), .. plan.Folder.HashWeights(stopping),
            .. plan.Folder.Tokenizer.Present.Select(file => FileHash.Of(file, stopping))],
        Data = [.. plan.Data.Files.Select(f => new FileHash(Path.GetFileName(f.Report.Path), InputFile.LengthOf(f.Report.Path), f.Report.Sha256))],
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "{message}")]
    private static partial void Warn(ILogger log, string message);

    [LoggerMessage(Level = LogLevel.Information, Message = "{message}")]
    private static partial void Say(ILogger log, string message);
}
