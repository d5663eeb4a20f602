using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats;

/// <summary>Opens and reads files that came from elsewhere; every failure is a <see cref="ModelFileException"/> (IO001 … IO006).</summary>
public static class InputFile
{
    /// <summary>How this system tells file names apart.</summary>
    internal static StringComparison NameComparison => OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;

    /// <summary>The largest side file (JSON and the like) read into memory: 256 MiB (spec/formats.md §0.13).</summary>
    public const long LargestSideFile = 256L << 20;

    /// <summary>
    /// The file's length in bytes; 0 for pipes and devices too, which are never opened, since opening one can block for ever.
    /// </summary>
    /// <exception cref="ModelFileException">IO001 a folder; IO003 missing or not to be reached.</exception>
    public static long LengthOf(string path)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
            throw new ModelFileException("IO003", Echo.Name(path), "this is not a file name; give the path of an existing file");
        try
        {
            if (Directory.Exists(path))
                throw new ModelFileException("IO001", path, "this is a folder; give the path of a file");
            // A link's own length is that of its text, so the length of its target is asked for. A bare name's link is only followed by its full path.
            FileInfo info = File.ResolveLinkTarget(Path.GetFullPath(path), returnFinalTarget: true) as FileInfo ?? new FileInfo(path);
            return info.Exists ? info.Length : throw new ModelFileException("IO003", path, "there is no such file; check the path");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }

    /// <summary>Opens the file for positional reads and tells its length in bytes.</summary>
    /// <exception cref="ModelFileException">IO001 a folder; IO002 empty, a pipe or a device; IO003 missing or unreadable.</exception>
    public static SafeFileHandle Open(string path, out long length)
    {
        if (LengthOf(path) == 0)
            throw new ModelFileException("IO002", path, "the file is empty (or is a pipe or a device); give a regular file with content");
        try
        {
            SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.RandomAccess);
            length = RandomAccess.GetLength(handle);
            return handle;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Unreadable(path, e);
        }
    }

    /// <summary>Fills <paramref name="destination"/> from byte <paramref name="offset"/> on.</summary>
    /// <exception cref="ModelFileException">IO003 unreadable; IO005 the file ends first.</exception>
    public static void ReadExactly(SafeFileHandle handle, string path, long offset, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length)
        {
            int read;
            try
            {
                read = RandomAccess.Read(handle, destination[done..], offset + done);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Unreadable(path, e);
            }
            if (read == 0)
                throw new ModelFileException("IO005", path,
                    $"the file ends at byte {offset + done}, but {destination.Length - done} more bytes were expected; it was cut short, fetch it again");
            done += read;
        }
    }

    /// <summary>The whole content of a side file of at most <see cref="LargestSideFile"/> bytes; refuses LFS pointers and web pages by name.</summary>
    /// <exception cref="ModelFileException">IO001 … IO006.</exception>
    public static byte[] ReadAll(string path)
    {
        using SafeFileHandle handle = Open(path, out long length);
        if (length > LargestSideFile)
            throw new ModelFileException("IO002", path, $"the file has {length} bytes; at most {LargestSideFile} are read into memory");
        byte[] content = new byte[length];
        ReadExactly(handle, path, 0, content);
        RefuseStandIn(path, content);
        return content;
    }

    /// <summary>Throws where the first bytes show a Git LFS pointer (IO004) or a web page (IO006) in place of the file.</summary>
    public static void RefuseStandIn(string path, ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("version https://git-lfs"u8))
            throw new ModelFileException("IO004", path, "this is a Git LFS pointer, not the file itself; fetch the content with `git lfs pull`");
        start = start.TrimStart(" \t\r\n"u8);
        if (StartsWithWord(start, "<!DOCTYPE"u8) || StartsWithWord(start, "<html"u8))
            throw new ModelFileException("IO006", path, "this is a web page, not the file itself; use the download link of the raw file");
    }

    /// <summary>SHA-256 of the content as lower-case hex, streamed in 1 MiB pieces.</summary>
    /// <exception cref="ModelFileException">IO001 … IO005.</exception>
    public static string Sha256(string path, CancellationToken cancellation = default)
    {
        using SafeFileHandle handle = Open(path, out long length);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] piece = new byte[Math.Min(length, 1 << 20)];
        for (long at = 0; at < length;)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> next = piece.AsSpan(0, (int)Math.Min(piece.Length, length - at));
            ReadExactly(handle, path, at, next);
            hash.AppendData(next);
            at += next.Length;
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static bool StartsWithWord(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word) =>
        text.Length >= word.Length && Ascii.EqualsIgnoreCase(text[..word.Length], word);

    private static ModelFileException Unreadable(string path, Exception e) =>
        new("IO003", path, $"the file cannot be read: {e.Message} Check that it exists and that you may read it", e);
}
