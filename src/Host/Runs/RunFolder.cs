using System.Security.Cryptography;
using System.Text;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;
using Marrow.Host.Progress;

namespace Marrow.Host.Runs;

/// <summary>The folder of one run: what was asked, what was done, and the results. One process at a time may hold it.</summary>
public sealed class RunFolder : IDisposable
{
    private const string HoldName = ".hold";
    private readonly JobFile job;
    private readonly FileStream hold;
    private readonly TimeProvider time;
    private readonly string title;
    private MetricsLog? metrics;

    private RunFolder(string root, JobFile job, FileStream hold, RunManifest manifest, TimeProvider time)
    {
        (Root, this.job, this.hold, Manifest, this.time) = (root, job, hold, manifest, time);
        title = Path.GetFileName(root);
    }

    /// <summary>The folder.</summary>
    public string Root { get; }

    /// <summary>The manifest as last written.</summary>
    public RunManifest Manifest { get; private set; }

    /// <summary>Where checkpoints go, one folder "step-N" each.</summary>
    public string Checkpoints => Path.Combine(Root, "checkpoints");

    /// <summary>Where the trained adapter goes.</summary>
    public string Adapter => Path.Combine(Root, "adapter");

    /// <summary>Where the trained adapter goes as an RWKV-PEFT file.</summary>
    public string AdapterFile => Path.Combine(Root, "adapter.pth");

    /// <summary>Where the trained model goes, where all weights are trained.</summary>
    public string Model => Path.Combine(Root, "model");

    private string Given => Path.Combine(Root, "job.yaml");

    private string Resolved => Path.Combine(Root, "resolved.yaml");

    private string ManifestPath => Path.Combine(Root, "manifest.json");

    private string Metrics => Path.Combine(Root, "metrics.jsonl");

    private string Picture => Path.Combine(Root, "loss.svg");

    /// <summary>Whether output.dir can take a run of <paramref name="job"/>; changes nothing.</summary>
    /// <exception cref="MarrowException">
    /// RN001: it holds a run already. RN002: it holds other files. RN003: there is nothing to resume. RN006: the job
    /// differs from the one to resume.
    /// </exception>
    public static void Check(JobFile job, RunStart start) => Existing(job, start, RootOf(job));

    /// <summary>Takes output.dir for a run of <paramref name="job"/>. Nothing in it changes before <see cref="Begin"/>.</summary>
    /// <exception cref="MarrowException">As <see cref="Check"/>; RN004: another process holds it.</exception>
    public static RunFolder Open(JobFile job, RunStart start, TimeProvider time)
    {
        string root = RootOf(job);
        Existing(job, start, root);
        Directory.CreateDirectory(root);
        FileStream hold = Hold(root, Echo.Name(root, 300));
        try
        {
            // Looked at again now that nobody else can change it.
            RunManifest? manifest = Existing(job, start, root);
            return new RunFolder(root, job, hold, start == RunStart.Resume ? manifest! : new RunManifest(), time);
        }
        catch
        {
            hold.Dispose();
            throw;
        }
    }

    /// <summary>Begins to record, after step <paramref name="afterStep"/> when resuming and 0 when not; <paramref name="manifest"/> tells what the run is made from.</summary>
    public void Begin(RunManifest manifest, int afterStep)
    {
        bool resumed = Manifest.StartedAt != default;
        string resolved = ResolvedJob.ToYaml(job.Spec);
        if (!resumed)
            Clear();
        // The manifest first: from then on the folder is known as a run's, whatever else a kill leaves out.
        WriteManifest(manifest with
        {
            Status = RunStatus.Running,
            StartedAt = resumed ? Manifest.StartedAt : time.GetUtcNow(),
            ResumedAfterSteps = resumed ? [.. Manifest.ResumedAfterSteps, afterStep] : [],
            EarlierDevices = resumed && !SameDevice(manifest) ? [.. Manifest.EarlierDevices, $"{Manifest.DeviceName}: {Manifest.Device}"] : Manifest.EarlierDevices,
            Steps = afterStep,
            Config = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(resolved))),
        });
        AtomicFile.WriteBytes(Given, job.Bytes);
        AtomicFile.WriteText(Resolved, resolved);
        metrics = MetricsLog.Open(Metrics, afterStep);
    }

    /// <summary>Throws unless the run to resume was made from the same files.</summary>
    /// <exception cref="MarrowException">RN007: a file of the model or of the data has changed.</exception>
    public void RequireSameFiles(RunManifest now)
    {
        FileHash? changed = now.Base.Concat(now.Data).Except(Manifest.Base.Concat(Manifest.Data)).FirstOrDefault();
        if (changed is not null)
            throw new MarrowException("RN007", $"{Echo.Name(changed.Name)} is not the file that this run began with (SHA-256 {changed.Sha256[..12]}…, {changed.Bytes} bytes now); put the old one back, or start again with --overwrite");
    }

    /// <summary>
    /// What to warn of where the run to resume was on another device, whose sums round differently; null where it was not. A job that leaves the
    /// device open does not change its kind unasked.
    /// </summary>
    /// <exception cref="MarrowException">RN008: the job says auto, and another kind of device was taken before.</exception>
    public string? ChangeOfDevice(RunManifest now)
    {
        if (SameDevice(now))
            return null;
        string before = Placed(Manifest);
        if (job.Spec.Model.Device == "auto" && KindOf(Manifest.DeviceName) != KindOf(now.DeviceName))
            throw new MarrowException("RN008", $"this run was on {before}, and model.device auto takes {now.DeviceName} now, where the bits would be others. "
                + $"Name the device to go on with: --device {KindOf(Manifest.DeviceName)} or --device {KindOf(now.DeviceName)}");
        return $"this run was on {before}, and goes on on {Placed(now)}: from here on its bits are not those of a run on one device";
    }

    /// <summary>The loss of the last step; null before it.</summary>
    public double? LastLoss => Recording.Losses.Count > 0 ? Recording.Losses[^1].Loss : null;

    /// <summary>The loss of the last evaluation; null before it.</summary>
    public double? LastEvaluation => Recording.Evaluations.Count > 0 ? Recording.Evaluations[^1].Loss : null;

    /// <summary>Records a step.</summary>
    public void Step(StepReport report) => Recording.Append(report);

    /// <summary>Records an evaluation after <paramref name="step"/>.</summary>
    public void Evaluated(int step, double loss) => Recording.AppendEvaluation(step, loss);

    /// <summary>Draws loss.svg anew and notes in the manifest how many steps are done; called at every save.</summary>
    /// <param name="use">What the device did until now; null leaves what is noted.</param>
    public void Save(DeviceUse? use = null)
    {
        DrawPicture();
        WriteManifest(Used(use) with { Steps = LastStep });
    }

    /// <summary>Ends the record.</summary>
    /// <param name="status">How it ended.</param>
    /// <param name="error">The error's message, where it failed.</param>
    /// <param name="use">What the device did; null leaves what is noted.</param>
    public void End(RunStatus status, string? error = null, DeviceUse? use = null)
    {
        DrawPicture();
        WriteManifest(Used(use) with { Status = status, Error = error, EndedAt = time.GetUtcNow(), Steps = LastStep });
    }

    /// <summary>Lets the folder go.</summary>
    public void Dispose()
    {
        metrics?.Dispose();
        hold.Dispose();
    }

    private MetricsLog Recording => metrics ?? throw new InvalidOperationException("Begin comes first");

    private RunManifest Used(DeviceUse? use) => use is null ? Manifest : Manifest.On(use);

    private int LastStep => Recording.Losses.Count > 0 ? Recording.Losses[^1].Step : 0;

    private void DrawPicture() => AtomicFile.WriteText(Picture, LossChart.Draw(title, Recording.Losses, Recording.Evaluations));

    private void WriteManifest(RunManifest manifest)
    {
        manifest.Write(ManifestPath);
        Manifest = manifest;
    }

    private static string RootOf(JobFile job) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(job.Spec.Output.Dir));

    /// <summary>The manifest of the run that the folder holds, or null.</summary>
    private static RunManifest? Existing(JobFile job, RunStart start, string root)
    {
        string shown = Echo.Name(root, 300), path = Path.Combine(root, "manifest.json");
        if (File.Exists(root))
            throw new MarrowException("RN002", $"output.dir {shown} is a file; choose another output.dir");
        if (!File.Exists(path))
        {
            if (start == RunStart.Resume)
                throw new MarrowException("RN003", $"there is no run to resume in {shown}; start it without --resume");
            if (Directory.Exists(root) && Directory.EnumerateFileSystemEntries(root).Any(e => Path.GetFileName(e)[0] != '.'))
                throw new MarrowException("RN002", $"output.dir {shown} holds files that are not a run's; choose another output.dir");
            return null;
        }
        RunManifest manifest = RunManifest.Read(path);
        if (start == RunStart.New)
            throw new MarrowException("RN001", $"{shown} already holds a run ({Shown(manifest)}); continue it with --resume, "
                + "start it again with --overwrite, or choose another output.dir");
        string resolved = Path.Combine(root, "resolved.yaml");
        if (start == RunStart.Resume && File.Exists(resolved))
            RequireSameJob(JobFile.Load(resolved, []), job);
        return manifest;
    }

    private static void RequireSameJob(JobFile before, JobFile now)
    {
        string[] changed = [.. JobDifference.List(before.Spec, now.Spec, resuming: true)];
        if (changed.Length > 0)
            throw new MarrowException("RN006", $"the job is not the one to resume: {string.Join("; ", changed)}. Put it back, or start anew in another output.dir");
    }

    /// <summary>Removes the results of the run that is overwritten, and nothing that is not a run's.</summary>
    private void Clear()
    {
        File.Delete(Metrics);
        File.Delete(Picture);
        File.Delete(AdapterFile);
        foreach (string folder in new[] { Checkpoints, Adapter, Model })
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
    }

    /// <summary>Processors count as one device, however many threads they give.</summary>
    private bool SameDevice(RunManifest now) => (Manifest.DeviceName == "cpu" && now.DeviceName == "cpu")
        || (Manifest.Device == now.Device && Manifest.Activations == now.Activations && Manifest.Tuning == now.Tuning);

    private static string Placed(RunManifest on) => $"{Echo.Name(on.DeviceName)} ({Echo.Name(on.Device, 200)}), {Echo.Name(on.Activations)} activations, "
        + (on.Tuning is { Length: >= 8 } tuning ? $"tuning {Echo.Name(tuning[..8])}" : "no tuning");

    private static string KindOf(string device) => device.Split(':')[0];

    private static string Shown(RunManifest manifest) => $"{manifest.Status.ToString().ToLowerInvariant()}, {manifest.Steps} steps";

    private static FileStream Hold(string root, string shown)
    {
        try
        {
            return new FileStream(Path.Combine(root, HoldName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e)
        {
            throw new MarrowException("RN004", $"another process is working in {shown}, or it cannot be written ({e.Message}); wait for it, or choose another output.dir", e);
        }
    }
}
