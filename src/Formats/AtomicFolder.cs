using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats;

/// <summary>
/// Writes a whole folder beside its place, flushes its files, then renames it. Where the system can exchange two folders in one step
/// (Linux, macOS) a kill at any moment leaves the old folder or the new one at the path. Elsewhere the old one steps aside to
/// ".name.old" for an instant, and <see cref="Recover"/> brings it back. One writer per path at a time.
/// </summary>
public static partial class AtomicFolder
{
    /// <summary>Fills a fresh folder through <paramref name="fill"/> (given its path) and puts it at <paramref name="path"/>, replacing a folder there.</summary>
    /// <exception cref="MarrowException">IO008 it cannot be written; IO009 a file stands at the path.</exception>
    public static void Write(string path, Action<string> fill) => Write(path, fill, exchange: true);

    /// <summary>Brings back the old folder where a kill struck between the two renames; does nothing otherwise. Call it before reading.</summary>
    /// <exception cref="MarrowException">IO008 the rename failed.</exception>
    public static void Recover(string path)
    {
        string full = Full(path), aside = AsidePath(full);
        try
        {
            if (Directory.Exists(aside) && !Directory.Exists(full))
                Directory.Move(aside, full);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AtomicFile.CannotWrite(path, e);
        }
    }

    internal static void Write(string path, Action<string> fill, bool exchange)
    {
        string full = Full(path);
        if (File.Exists(full))
            throw new MarrowException("IO009", $"{path}: a file stands where the folder should be written; choose another name [IO009]");
        Recover(path);
        string fresh = AtomicFile.TemporaryPath(full);
        try
        {
            RemoveLeftovers(full);
            Directory.CreateDirectory(fresh);
            fill(fresh);
            foreach (string file in Directory.EnumerateFiles(fresh, "*", SearchOption.AllDirectories))
                Flush(file);
            Place(fresh, full, exchange);
        }
        catch (Exception e)
        {
            Remove(fresh);
            if (e is IOException or UnauthorizedAccessException)
                throw AtomicFile.CannotWrite(path, e);
            // A file within told of the folder's temporary name, which is gone now.
            if (e is MarrowException { Code: "IO008", InnerException: { } cause })
                throw AtomicFile.CannotWrite(path, cause);
            throw;
        }
    }

    private static void Place(string fresh, string full, bool exchange)
    {
        if (!Directory.Exists(full))
        {
            Directory.Move(fresh, full);
            return;
        }
        if (exchange && Exchange(fresh, full))
        {
            Remove(fresh);
            return;
        }
        string aside = AsidePath(full);
        Remove(aside);
        Directory.Move(full, aside);
        try
        {
            Directory.Move(fresh, full);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Directory.Move(aside, full);
            throw;
        }
        Remove(aside);
    }

    private static void RemoveLeftovers(string full)
    {
        string parent = Path.GetDirectoryName(full)!;
        if (!Directory.Exists(parent))
            return;
        string prefix = $".{Path.GetFileName(full)}.";
        foreach (string folder in Directory.GetDirectories(parent))
            if (AtomicFile.IsTemporary(Path.GetFileName(folder.AsSpan()), prefix))
                Remove(folder);
    }

    private static void Flush(string file)
    {
        using SafeFileHandle handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(handle);
    }

    private static void Remove(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A hidden leftover is never read and goes with the next write of the same path.
        }
    }

    private static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static string AsidePath(string full) => Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.old");

    /// <summary>Swaps two folders in one step; false where the system or the file system cannot.</summary>
    private static bool Exchange(string a, string b)
    {
        const int WorkingFolder = -100;
        const uint Swap = 2; // RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS have the same value.
        try
        {
            return OperatingSystem.IsLinux() ? RenameLinux(WorkingFolder, a, WorkingFolder, b, Swap) == 0
                : OperatingSystem.IsMacOS() && RenameMacOS(a, b, Swap) == 0;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "renameat2", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int RenameLinux(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "renamex_np", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int RenameMacOS(string from, string to, uint flags);
}
