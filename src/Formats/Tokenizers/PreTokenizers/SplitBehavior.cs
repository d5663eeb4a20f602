namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>What becomes of a separator when a text is split at it (spec/formats.md §7.6).</summary>
internal enum SplitBehavior
{
    /// <summary>Dropped.</summary>
    Removed,

    /// <summary>A piece of its own.</summary>
    Isolated,

    /// <summary>Joined to the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>Joined to the piece after it.</summary>
    MergedWithNext,

    /// <summary>Neighbouring separators are one piece.</summary>
    Contiguous,
}
