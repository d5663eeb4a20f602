using System.Text;

namespace Marrow.Formats;

/// <summary>
/// Writes a file beside its place, flushes it to the disk, then renames it: a kill at any moment leaves the old file or the new one.
/// Missing parent folders are made. Failures of the disk are <see cref="MarrowException"/> IO008 and leave no temporary file.
/// </summary>
public static class AtomicFile
{
    /// <summary>Writes text as UTF-8 without a byte order mark.</summary>
    /// <exception cref="MarrowException">IO008 the file cannot be written; IO009 a folder stands at the path.</exception>
    public static void WriteText(string path, string text) => WriteBytes(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes bytes.</summary>
    /// <exception cref="MarrowException">IO008 the file cannot be written; IO009 a folder stands at the path.</exception>
    public static void WriteBytes(string path, ReadOnlyMemory<byte> bytes) => Write(path, stream => stream.Write(bytes.Span));

    /// <summary>Writes what <paramref name="write"/> puts into the stream. Should it throw, the old file stays.</summary>
    /// <exception cref="MarrowException">IO008 the file cannot be written; IO009 a folder stands at the path.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full))
            throw new MarrowException("IO009", $"{path}: a folder stands where the file should be written; choose another name [IO009]");
        string temporary = TemporaryPath(full);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
        }
        catch (Exception e)
        {
            Remove(temporary);
            if (e is IOException or UnauthorizedAccessException)
                throw CannotWrite(path, e);
            throw;
        }
    }

    /// <summary>A new hidden name in the folder of <paramref name="path"/>: ".name.{random}.tmp".</summary>
    internal static string TemporaryPath(string path) =>
        Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");

    internal static MarrowException CannotWrite(string path, Exception e) =>
        new("IO008", $"{path}: cannot be written: {e.Message} Check free space and permissions, and that no program has it open [IO008]", e);

    private static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first error is the one to tell; a hidden temporary is never read.
        }
    }
}
