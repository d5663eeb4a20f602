namespace Marrow.Formats.PyTorch;

/// <summary>Where data lie in a file: <paramref name="Stored"/> bytes from <paramref name="Offset"/> on, which inflate to <paramref name="Bytes"/> where <paramref name="Deflated"/>.</summary>
internal sealed record DataRange(string What, long Offset, long Stored, long Bytes, bool Deflated);
