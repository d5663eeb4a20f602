using System.Globalization;
using Marrow.Formats;
using Marrow.Formats.Datasets;

namespace Marrow.Engine.Training;

/// <summary>Stops a run that cannot come to anything, before its update is applied, and says why.</summary>
internal sealed class Watchdog(int stallSteps)
{
    private double _lastNorm = double.NaN;
    private int _unchanged;

    /// <summary>A step must have something to predict.</summary>
    public static void CheckTargets(int step, int targets, TokenDataset data, ReadOnlySpan<TokenBatch> batches)
    {
        if (targets == 0)
            throw new MarrowException("TR010", $"Step {step} has no token to predict: every label of {BatchLines.Name(data, batches)} is masked. "
                + "Remove those examples, raise data.max_length so that answers are not cut off, or set data.mask_prompt: false. [TR010]");
    }

    /// <summary>The loss of a micro-batch must be a number.</summary>
    public static void CheckLoss(int step, float loss, TokenDataset data, ReadOnlySpan<TokenBatch> batch)
    {
        if (!float.IsFinite(loss))
            throw Diverged(step, "loss", loss, data, batch);
    }

    /// <summary>The gradient norm must be a number, and move.</summary>
    public void CheckNorm(int step, double norm, TokenDataset data, ReadOnlySpan<TokenBatch> batches)
    {
        if (!double.IsFinite(norm))
            throw Diverged(step, "gradient norm", norm, data, batches);
        _unchanged = norm == _lastNorm ? _unchanged + 1 : 1;
        _lastNorm = norm;
        if (_unchanged < stallSteps)
            return;
        string text = norm.ToString(CultureInfo.InvariantCulture);
        throw norm == 0
            ? new MarrowException("TR012", $"The gradient has been exactly 0 for {_unchanged} steps up to step {step}: nothing is learnt. "
                + "Check that adapter.target_modules matches layers that the loss depends on and that the data is not already predicted with certainty. [TR012]")
            : new MarrowException("TR013", $"The gradient norm has been exactly {text} for {_unchanged} steps up to step {step}: the parameters do not move. "
                + "Check training.learning_rate, lr_schedule and warmup_steps. [TR013]");
    }

    private static MarrowException Diverged(int step, string what, double value, TokenDataset data, ReadOnlySpan<TokenBatch> batches) =>
        new("TR011", $"Step {step}: the {what} is {value.ToString(CultureInfo.InvariantCulture)} on {BatchLines.Name(data, batches)}; the update was not applied. "
            + "Lower training.learning_rate, raise warmup_steps or set max_grad_norm, and go on from the last checkpoint; if it happens at step 1, look at those examples and the model's weights. [TR011]");
}
