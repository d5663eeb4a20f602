namespace Marrow.Formats.Datasets;

/// <summary>The place of the next micro-batch in a <see cref="BatchPlan"/>; saved in a checkpoint, it resumes the same sequence.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="Position">The examples (packed: the rows) of the epoch that are already used.</param>
public readonly record struct DataCursor(int Epoch, int Position);
