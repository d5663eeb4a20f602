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

    /// <summary>
    /// Writes what <paramref name="write"/> puts into the stream. Should it throw, the old file stays. Space for <paramref name="expectedBytes"/> is
    /// taken first, so that a disk without it is told at once. <paramref name="check"/> is given the finished file under its temporary name, before it takes the place of another.
    /// </summary>
    /// <exception cref="MarrowException">IO008 the file cannot be written; IO009 a folder stands at the path.</exception>
    public static void Write(string path, Action<Stream> write, long expectedBytes = 0, Action<string>? check = null) =>
        WriteAll([new(path, write, expectedBytes)], check is null ? null : temporary => check(temporary[0]));

    /// <summary>
    /// Writes several files as <see cref="Write"/> does one. None appears before all are on the disk; then they do in the given order. The last one is that by which
    /// the others are opened: an old one goes first, so that no kill leaves old and new files that are taken for one model.
    /// </summary>
    /// <exception cref="MarrowException">IO008 a file cannot be written; IO009 a folder stands at its path.</exception>
    internal static void WriteAll(IReadOnlyList<FileToWrite> files, Action<IReadOnlyList<string>>? check = null)
    {
        string path = "";
        List<(string Path, string Temporary, string Full)> written = [];
        try
        {
            foreach (FileToWrite file in files)
            {
                path = file.Path;
                string full = Path.GetFullPath(path);
                if (Directory.Exists(full))
                    throw new MarrowException("IO009", $"{path}: a folder stands where the file should be written; choose another name [IO009]");
                written.Add((path, TemporaryPath(full), full));
                Directory.CreateDirectory(Path.GetDirectoryName(full)!);
                using FileStream stream = new(written[^1].Temporary, new FileStreamOptions
                {
                    Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 1 << 16, PreallocationSize = file.ExpectedBytes,
                });
                file.Write(file.ExpectedBytes >= EarlyWriteback.Least ? new EarlyWriteback(stream) : stream);
                stream.Flush(flushToDisk: true);
            }
            check?.Invoke([.. written.Select(w => w.Temporary)]);
            if (written.Count > 1)
                File.Delete(written[^1].Full);
            foreach ((string target, string temporary, string full) in written)
            {
                path = target;
                File.Move(temporary, full, overwrite: true);
            }
        }
        catch (Exception e)
        {
            foreach ((string _, string temporary, string _) in written)
                Remove(temporary);
            if (e is IOException or UnauthorizedAccessException || IsTooLarge(e))
                throw CannotWrite(path, e);
            throw;
        }
    }

    // The runtime tells of a file that the file system cannot hold (4 GiB on FAT32) as of a wrong argument.
    private static bool IsTooLarge(Exception e) => e is ArgumentOutOfRangeException { ParamName: "value", Source: "System.Private.CoreLib" };

    /// <summary>A new hidden name in the folder of <paramref name="path"/>: ".name.{random}.tmp".</summary>
    internal static string TemporaryPath(string path) =>
        Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");

    internal static MarrowException CannotWrite(string path, Exception e) =>
        new("IO008", $"{path}: cannot be written: {e.Message} Check free space and permissions, and that no program has it open [IO008]", e);

    /// <summary>Removes what killed writers of this path left beside it; what a living one has open stays.</summary>
    internal static void RemoveLeftovers(string path)
    {
        string full = Path.GetFullPath(path), parent = Path.GetDirectoryName(full)!, prefix = $".{Path.GetFileName(full)}.";
        if (!Directory.Exists(parent))
            return;
        foreach (string file in Directory.EnumerateFiles(parent).Where(f => IsTemporary(Path.GetFileName(f), prefix)))
        {
            try
            {
                using FileStream unused = new(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Somebody writes it.
            }
        }
    }

    /// <summary>Whether a name is one that <see cref="TemporaryPath"/> makes; <paramref name="prefix"/> is ".name.".</summary>
    internal static bool IsTemporary(ReadOnlySpan<char> name, string prefix) =>
        name.StartsWith(prefix) && name.EndsWith(".tmp") && name.Length > prefix.Length + 4 && Guid.TryParseExact(name[prefix.Length..^4], "N", out _);

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

/// <summary>One of several files that appear together.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Write">Puts its content into a stream.</param>
/// <param name="ExpectedBytes">Its size, for which space is taken first; 0 where it is not known.</param>
internal readonly record struct FileToWrite(string Path, Action<Stream> Write, long ExpectedBytes);
