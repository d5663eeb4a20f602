namespace Marrow.Engine.Training;

/// <summary>How the learning rate runs after warm-up; the names in a job file are the lower-case ones.</summary>
public enum LearningRateSchedule
{
    /// <summary>Stays (Hugging Face: constant_with_warmup).</summary>
    Constant,
    /// <summary>Falls in a line to the minimum at the last step.</summary>
    Linear,
    /// <summary>Falls along half a cosine to the minimum at the last step.</summary>
    Cosine,
}
