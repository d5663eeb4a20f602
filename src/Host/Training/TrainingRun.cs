using System.Globalization;
using Marrow.Adapters;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;
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
    public static RunOutcome Execute(TrainingRequest request, DeviceOpener devices, TimeProvider time, ILogger log, CancellationToken stopping)
    {
        using TrainingPlan plan = TrainingPlan.Make(request, devices, dryRun: false, stopping);
        foreach (string warning in plan.Warnings)
            Warn(log, warning);
        if (plan.Device is KernelDevice gpu)
        {
            Say(log, $"checking the job's ops on {gpu.Name}; where its kernels are not in the cache yet, they are compiled now");
            DeviceCheck.Require(gpu, plan.Folder.Config.ModelType, plan.Job.Spec.Adapter.Method, plan.Activations, plan.QuantisedTypes, stopping);
        }
        RunManifest made = Describe(plan, stopping);
        using LoadedModel loaded = LoadedModel.Open(plan.Folder, plan.Choice, plan.Device!);
        using FineTuning tuning = Tuning.Of(loaded.Model, plan.Job.Spec, []);
        using var trainer = new Trainer(loaded.Model, tuning.Parameters, plan.Data.Train, plan.Options(), plan.Data.Eval, tuning.Decays);
        using RunFolder run = RunFolder.Open(plan.Job, request.Start, time);
        var checkpoints = new CheckpointStore(run.Checkpoints, plan.Job.Spec.Training.SaveTotalLimit);
        string identity = ResolvedJob.Identity(plan.Job.Spec);
        var cpu = loaded.Device as CpuDevice;
        made = made.On(loaded.Use) with { Threads = cpu?.Pool.Threads ?? 0, Tuning = devices.Settings.TuningOf(plan.Place) is { } file && File.Exists(file) ? InputFile.Sha256(file, stopping) : null };
        if (request.Start == RunStart.Resume)
        {
            run.RequireSameFiles(made);
            if (run.ChangeOfDevice(made) is { } change)
                Warn(log, change);
            Restore(trainer, checkpoints, identity, log);
        }
        int after = trainer.Step;
        run.Begin(made, after);
        long began = time.GetTimestamp();
        try
        {
            using ITrainingDisplay display = request.Display(Path.GetFileName(run.Root), cpu is null ? null : FmaPeak.AllCores(cpu.Pool) * 1e9);
            if (loaded.Device is KernelDevice kernels)
                display.Starting(() => string.Create(CultureInfo.InvariantCulture, $"{kernels.Name}: kernels compiled: {kernels.Compiled}, from the cache: {kernels.Loaded}"));
            var recorder = new RunRecorder(run, loaded, checkpoints, identity, display);
            bool finished = trainer.Run(recorder, stopping) == TrainingOutcome.Finished;
            string result = tuning is not AdaptedModel ? run.Model : plan.Job.Spec.Output.AdapterFormat == "peft" ? run.Adapter : run.AdapterFile;
            if (finished)
            {
                if (plan.Job.Spec.Training.SaveSteps is null)
                    recorder.CheckpointDue(trainer);
                tuning.Save(result, plan.Folder);
            }
            run.End(finished ? RunStatus.Completed : RunStatus.Cancelled, use: loaded.Use);
            return new RunOutcome(run.Manifest.Status, run.Root, finished ? result : null, trainer.Step, after, run.LastLoss, run.LastEvaluation,
                time.GetElapsedTime(began).TotalSeconds, recorder.TokensPerSecond, loaded.Use, plan.Warnings);
        }
        catch (Exception error)
        {
            // The folder may be what failed; the first error is the one to tell.
            try
            {
                run.End(RunStatus.Failed, error.Message, loaded.Use);
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
        Base = [.. plan.Folder.ConfigFile is { } config ? [FileHash.Of(config, stopping)] : Array.Empty<FileHash>(), .. plan.Folder.HashWeights(stopping),
            .. plan.Folder.Tokenizer.Present.Select(file => FileHash.Of(file, stopping))],
        Data = [.. plan.Data.Files.SelectMany(f => f.Report.Files)],
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "{message}")]
    private static partial void Warn(ILogger log, string message);

    [LoggerMessage(Level = LogLevel.Information, Message = "{message}")]
    private static partial void Say(ILogger log, string message);
}
