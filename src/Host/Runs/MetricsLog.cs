using System.Text.Json;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Host.Progress;

namespace Marrow.Host.Runs;

/// <summary>One line of the curve: a step's loss, or an evaluation's after it.</summary>
/// <param name="Step">The optimizer step, from 1.</param>
/// <param name="Loss">The loss.</param>
public readonly record struct LossPoint(int Step, double Loss);

/// <summary>
/// metrics.jsonl: one object per optimizer step and one per evaluation, each flushed as it is written. The points stay in
/// memory for the picture.
/// </summary>
public sealed class MetricsLog : IDisposable
{
    private readonly FileStream file;
    private readonly List<LossPoint> losses;
    private readonly List<LossPoint> evaluations;

    private MetricsLog(FileStream file, List<LossPoint> losses, List<LossPoint> evaluations) =>
        (this.file, this.losses, this.evaluations) = (file, losses, evaluations);

    /// <summary>The loss of every step.</summary>
    public IReadOnlyList<LossPoint> Losses => losses;

    /// <summary>The loss of every evaluation.</summary>
    public IReadOnlyList<LossPoint> Evaluations => evaluations;

    /// <summary>Opens the file to append after <paramref name="afterStep"/>: lines of later steps, and a last line cut short by a kill, are taken off first.</summary>
    /// <exception cref="MarrowException">RN005: a line is not one of ours.</exception>
    public static MetricsLog Open(string path, int afterStep)
    {
        List<LossPoint> losses = [], evaluations = [];
        if (File.Exists(path))
            AtomicFile.WriteBytes(path, Kept(path, afterStep, losses, evaluations));
        return new MetricsLog(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read), losses, evaluations);
    }

    /// <summary>Appends a step.</summary>
    public void Append(StepReport report)
    {
        losses.Add(new LossPoint(report.Step, report.Loss));
        Write(new { report.Step, report.Loss, report.GradNorm, report.LearningRate, report.Tokens, report.TokensPerSecond });
    }

    /// <summary>Appends an evaluation after <paramref name="step"/>.</summary>
    public void AppendEvaluation(int step, double loss)
    {
        evaluations.Add(new LossPoint(step, loss));
        Write(new { Step = step, EvalLoss = loss });
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private void Write<T>(T line)
    {
        file.Write(JsonSerializer.SerializeToUtf8Bytes(line, JsonText.Options));
        file.WriteByte((byte)'\n');
        file.Flush();
    }

    private static byte[] Kept(string path, int afterStep, List<LossPoint> losses, List<LossPoint> evaluations)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int whole = Array.LastIndexOf(bytes, (byte)'\n') + 1;
        using var kept = new MemoryStream();
        int number = 0;
        for (int start = 0; start < whole;)
        {
            int end = Array.IndexOf(bytes, (byte)'\n', start) + 1;
            ReadOnlySpan<byte> line = bytes.AsSpan(start, end - start);
            start = end;
            number++;
            MetricsLine? metrics = Parse(line);
            if (metrics is not { Step: { } step } || (metrics.Loss ?? metrics.EvalLoss) is not { } loss)
                throw new MarrowException("RN005", $"{Echo.Name(path, 300)}:{number}: not a line of metrics; mend or remove the file, or start again with --overwrite");
            if (step > afterStep)
                continue;
            (metrics.Loss is null ? evaluations : losses).Add(new LossPoint(step, loss));
            kept.Write(line);
        }
        return kept.ToArray();
    }

    private static MetricsLine? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize<MetricsLine>(line, JsonText.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record MetricsLine(int? Step, double? Loss, double? EvalLoss);
}
