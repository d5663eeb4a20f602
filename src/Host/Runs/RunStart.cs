namespace Marrow.Host.Runs;

/// <summary>What to do where the run folder already holds a run.</summary>
public enum RunStart
{
    /// <summary>Refuse.</summary>
    New,
    /// <summary>Continue it.</summary>
    Resume,
    /// <summary>Remove it and start again.</summary>
    Overwrite,
}
