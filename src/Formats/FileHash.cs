namespace Marrow.Formats;

/// <summary>Name, size and content hash of a file, for manifests.</summary>
/// <param name="Name">The file's name without its folder.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Sha256">Its SHA-256 as lower-case hex.</param>
public sealed record FileHash(string Name, long Bytes, string Sha256)
{
    /// <summary>Reads the file once, streamed.</summary>
    /// <exception cref="ModelFileException">IO001 … IO005.</exception>
    public static FileHash Of(string path, CancellationToken cancellation = default) =>
        new(Path.GetFileName(path), InputFile.LengthOf(path), InputFile.Sha256(path, cancellation));
}
