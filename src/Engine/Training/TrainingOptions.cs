using System.Globalization;
using Marrow.Formats;

namespace Marrow.Engine.Training;

/// <summary>What a run does; each property is the key of the same name in the job file's training section, unless it says otherwise.</summary>
public sealed record TrainingOptions
{
    /// <summary>Optimizer steps; give these or <see cref="Epochs"/>.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Passes over the data.</summary>
    public int? Epochs { get; init; }

    /// <summary>Examples (packed: rows) in a micro-batch.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Micro-batches in an optimizer step; the last step of an epoch may have fewer.</summary>
    public int GradientAccumulationSteps { get; init; } = 1;

    /// <summary>The highest learning rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The course of the learning rate.</summary>
    public LearningRateSchedule LrSchedule { get; init; }

    /// <summary>Steps over which the learning rate grows from 0.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>The end of a linear or cosine course, as a part of <see cref="LearningRate"/>.</summary>
    public double MinLrRatio { get; init; }

    /// <summary>Decoupled weight decay, on every parameter.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Decay of the first moment (betas[0]).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment (betas[1]).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment.</summary>
    public double Eps { get; init; } = 1e-8;

    /// <summary>The L2 norm that the gradient is clipped to; null for no clipping.</summary>
    public double? MaxGradNorm { get; init; } = 1;

    /// <summary>Seed of data order and dropout.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Whether every epoch has its own order (data.shuffle).</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Tokens of a packed row (data.max_length where data.packing is on); null for rows of one example.</summary>
    public int? PackedLength { get; init; }

    /// <summary>
    /// Positions that a pass reads of each sequence, with the recurrent state carried from pass to pass and gradients ending at its borders; null reads
    /// sequences whole. Memory then does not grow with the sequences' length. For models with a recurrent state.
    /// </summary>
    public int? SegmentLength { get; init; }

    /// <summary>Whether blocks are computed again in backward instead of keeping their activations.</summary>
    public bool ActivationCheckpointing { get; init; }

    /// <summary>Steps between evaluations; null for one at the end. Without evaluation data there are none.</summary>
    public int? EvalSteps { get; init; }

    /// <summary>Steps between checkpoints; null for none but that of a cancelled run.</summary>
    public int? SaveSteps { get; init; }

    /// <summary>Consecutive steps with gradient norm 0, or with one and the same norm, after which the run is stopped.</summary>
    public int StallSteps { get; init; } = 20;

    /// <summary>Checks every value.</summary>
    /// <exception cref="MarrowException">TR001, naming the key, the value and what is allowed.</exception>
    public void Validate()
    {
        Require(MaxSteps is not null || Epochs is not null, "max_steps", "is missing, and so is epochs", "give one of them");
        Require(MaxSteps is null || Epochs is null, "max_steps", $"is {MaxSteps} while epochs is {Epochs}", "give one of them and leave the other null");
        AtLeast("max_steps", MaxSteps ?? 1, 1);
        AtLeast("epochs", Epochs ?? 1, 1);
        AtLeast("batch_size", BatchSize, 1);
        AtLeast("gradient_accumulation_steps", GradientAccumulationSteps, 1);
        AtLeast("warmup_steps", WarmupSteps, 0);
        AtLeast("eval_steps", EvalSteps ?? 1, 1);
        AtLeast("save_steps", SaveSteps ?? 1, 1);
        AtLeast("stall_steps", StallSteps, 2);
        AtLeast("max_length", PackedLength ?? 1, 1);
        AtLeast("segment_length", SegmentLength ?? 1, 1);
        Require(double.IsFinite(LearningRate) && LearningRate > 0, "learning_rate", Is(LearningRate), "it must be above 0");
        Require(double.IsFinite(WeightDecay) && WeightDecay >= 0, "weight_decay", Is(WeightDecay), "it must be at least 0");
        Require(MinLrRatio is >= 0 and <= 1, "min_lr_ratio", Is(MinLrRatio), "it must lie in 0 … 1");
        Require(Beta1 is >= 0 and < 1, "betas[0]", Is(Beta1), "it must be at least 0 and below 1");
        Require(Beta2 is >= 0 and < 1, "betas[1]", Is(Beta2), "it must be at least 0 and below 1");
        // In fp32 a smaller one is 0, and a value without gradient would become 0/0.
        Require(double.IsFinite(Eps) && Eps >= 1e-30, "eps", Is(Eps), "it must be at least 1e-30");
        Require(MaxGradNorm is null || (double.IsFinite(MaxGradNorm.Value) && MaxGradNorm > 0), "max_grad_norm", Is(MaxGradNorm ?? 0), "it must be above 0, or null for no clipping");
    }

    /// <summary>The settings that must be the same for a resumed run to continue the same computation, by key. A constant course does not depend on the run's length.</summary>
    internal IEnumerable<(string Key, string Value)> Identity(int totalSteps)
    {
        yield return ("batch_size", Text(BatchSize));
        yield return ("gradient_accumulation_steps", Text(GradientAccumulationSteps));
        yield return ("learning_rate", Text(LearningRate));
        yield return ("lr_schedule", LrSchedule.ToString());
        yield return ("warmup_steps", Text(WarmupSteps));
        yield return ("min_lr_ratio", Text(MinLrRatio));
        if (LrSchedule != LearningRateSchedule.Constant)
            yield return ("total_steps", Text(totalSteps));
        yield return ("weight_decay", Text(WeightDecay));
        yield return ("betas", $"{Text(Beta1)} {Text(Beta2)}");
        yield return ("eps", Text(Eps));
        yield return ("max_grad_norm", MaxGradNorm is { } norm ? Text(norm) : "null");
        yield return ("seed", Text(Seed));
        yield return ("shuffle", Shuffle ? "true" : "false");
        yield return ("packing", PackedLength is { } length ? Text(length) : "false");
        yield return ("segment_length", SegmentLength is { } segment ? Text(segment) : "none");
    }

    private static string Text<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);

    private static string Is(double value) => $"is {Text(value)}";

    private static void AtLeast(string key, int value, int least) => Require(value >= least, key, $"is {value}", $"it must be at least {least}");

    private static void Require(bool holds, string key, string wrong, string remedy)
    {
        if (!holds)
            throw new MarrowException("TR001", $"training.{key} {wrong}; {remedy}. [TR001]");
    }
}
