namespace Marrow.Engine.Training;

/// <summary>The loss of a model on a dataset.</summary>
/// <param name="Loss">Mean cross-entropy of all targets, in nats.</param>
/// <param name="Targets">Tokens that the loss counts.</param>
/// <param name="Tokens">Tokens that went through the model.</param>
/// <param name="Examples">Each example's own mean, in the order of the data.</param>
public sealed record Evaluation(double Loss, long Targets, long Tokens, IReadOnlyList<ExampleLoss> Examples)
{
    /// <summary>e to the loss.</summary>
    public double Perplexity => Math.Exp(Loss);
}

/// <summary>The loss of one example.</summary>
/// <param name="Loss">Mean cross-entropy of its targets; 0 where it has none.</param>
/// <param name="Targets">Tokens that the loss counts.</param>
public readonly record struct ExampleLoss(double Loss, int Targets);
