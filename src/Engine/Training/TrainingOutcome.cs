namespace Marrow.Engine.Training;

/// <summary>How a run ended.</summary>
public enum TrainingOutcome
{
    /// <summary>All steps are done.</summary>
    Finished,
    /// <summary>It was cancelled; the running step was finished first.</summary>
    Cancelled,
}
