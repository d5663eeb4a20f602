namespace Marrow.Formats.PyTorch;

/// <summary>A checkpoint taken apart: the pickled value, where each storage's bytes lie (by key), and what was odd but allowed.</summary>
internal sealed record Checkpoint(object Value, IReadOnlyDictionary<string, DataRange> Storages, List<string> Warnings);
