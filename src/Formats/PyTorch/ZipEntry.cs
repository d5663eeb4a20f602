namespace Marrow.Formats.PyTorch;

/// <summary>One file within a ZIP archive, checked against the archive's bounds.</summary>
internal sealed record ZipEntry(string Name, DataRange Data, uint Crc);
