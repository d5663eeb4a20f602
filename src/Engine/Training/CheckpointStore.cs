using System.Globalization;
using Marrow.Formats;

namespace Marrow.Engine.Training;

/// <summary>The checkpoints of a run, folders "step-N" below one root: the newest few are kept, and the one with the lowest evaluation loss.</summary>
public sealed class CheckpointStore
{
    private const string Prefix = "step-";
    private readonly int _keep;

    /// <summary>A store in folder <paramref name="root"/> (which need not exist) that keeps the newest <paramref name="keep"/> checkpoints, at least one.</summary>
    public CheckpointStore(string root, int keep)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        (Root, _keep) = (root, keep);
    }

    /// <summary>The folder that holds them.</summary>
    public string Root { get; }

    /// <summary>
    /// Writes the trainer's state as "step-N", then removes what need not be kept, and checkpoints of later steps: the run went back
    /// behind them. Returns the folder.
    /// </summary>
    /// <exception cref="MarrowException">IO008, IO009 the disk failed; TR025 an old one cannot be removed.</exception>
    public string Save(Trainer trainer, string jobHash)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        string folder = FolderOf(trainer.Step);
        TrainingCheckpoint.Write(folder, trainer, jobHash);
        try
        {
            Prune(trainer.Step);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MarrowException("TR025", $"{Root}: an old checkpoint cannot be removed: {e.Message} Check permissions, and that no program has it open. [TR025]", e);
        }
        return folder;
    }

    /// <summary>The steps of the folders that are there, oldest first; none is opened.</summary>
    public IReadOnlyList<int> List()
    {
        if (!Directory.Exists(Root))
            return [];
        var steps = new SortedSet<int>();
        foreach (string folder in Directory.EnumerateDirectories(Root))
        {
            string name = Path.GetFileName(folder);
            // ".step-N.old" is a folder that a kill left aside while it was replaced: opening step N brings it back.
            if (name.StartsWith('.') && name.EndsWith(".old", StringComparison.Ordinal))
                name = name[1..^4];
            if (name.StartsWith(Prefix, StringComparison.Ordinal)
                && int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int step))
                steps.Add(step);
        }
        return [.. steps];
    }

    /// <summary>The newest checkpoint that is whole, or null; <paramref name="skipped"/> says why each newer one is not.</summary>
    public TrainingCheckpoint? Latest(out IReadOnlyList<string> skipped)
    {
        var reasons = new List<string>();
        skipped = reasons;
        IReadOnlyList<int> steps = List();
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            try
            {
                return TrainingCheckpoint.Open(FolderOf(steps[i]));
            }
            catch (MarrowException e)
            {
                reasons.Add(e.Message);
            }
        }
        return null;
    }

    private string FolderOf(int step) => Path.Combine(Root, Prefix + step.ToString(CultureInfo.InvariantCulture));

    private void Prune(int newest)
    {
        // What a kill left of an unfinished write or removal.
        foreach (string leftover in Directory.GetDirectories(Root, $".{Prefix}*.tmp"))
            Directory.Delete(leftover, recursive: true);
        var whole = new List<TrainingCheckpoint>();
        foreach (int step in List())
        {
            if (step > newest)
            {
                Remove(FolderOf(step));
                continue;
            }
            try
            {
                whole.Add(TrainingCheckpoint.ReadState(FolderOf(step)));
            }
            catch (MarrowException)
            {
                // Not ours or damaged: it takes no place among the kept ones, and Latest tells of it.
            }
        }
        TrainingCheckpoint? best = whole.Where(c => c.EvaluationLoss is not null).MinBy(c => c.EvaluationLoss);
        foreach (TrainingCheckpoint old in whole.SkipLast(_keep))
        {
            if (old != best)
                Remove(old.Folder);
        }
    }

    // Renamed first, so that a kill leaves no half of a checkpoint under its name.
    private void Remove(string folder)
    {
        AtomicFolder.Recover(folder);
        string aside = Path.Combine(Root, $".{Path.GetFileName(folder)}.{Guid.NewGuid():N}.tmp");
        Directory.Move(folder, aside);
        Directory.Delete(aside, recursive: true);
    }
}
