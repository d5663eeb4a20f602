namespace Marrow.Engine.Training;

/// <summary>The settings of <see cref="AdamW"/>, with torch.optim.AdamW's defaults.</summary>
/// <param name="Beta1">Decay of the first moment, at least 0 and below 1.</param>
/// <param name="Beta2">Decay of the second moment, at least 0 and below 1.</param>
/// <param name="Eps">Added to the root of the second moment, above 0.</param>
/// <param name="WeightDecay">Decoupled: each update first takes lr·weight decay of the value away.</param>
public sealed record AdamWOptions(double Beta1 = 0.9, double Beta2 = 0.999, double Eps = 1e-8, double WeightDecay = 0.01);
