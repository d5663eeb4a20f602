using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats;

/// <summary>
/// Has the disk begin on what was written every few MiB, so that it works while the rest is made: flushing at the end is short, and unwritten pages of a
/// large file do not fill the memory. On Linux; elsewhere the system decides.
/// </summary>
internal sealed partial class EarlyWriteback(FileStream target) : SinkStream
{
    /// <summary>Files from this size on gain from it.</summary>
    public const long Least = 64 << 20;

    private const long Interval = 16 << 20;
    private bool _available = OperatingSystem.IsLinux();
    private long _begun;

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        target.Write(buffer);
        Position += buffer.Length;
        if (_available && Position - _begun >= Interval)
            Begin();
    }

    private void Begin()
    {
        const uint startWriting = 2;
        try
        {
            // Where a file system cannot, the flush at the end does it all.
            _available = SyncFileRange(target.SafeFileHandle, _begun, Position - _begun, startWriting) == 0;
            _begun = Position;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            _available = false;
        }
    }

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long length, uint flags);
}
