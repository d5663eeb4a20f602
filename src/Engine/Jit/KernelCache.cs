using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Marrow.Engine.Devices;
using Marrow.Formats;

namespace Marrow.Engine.Jit;

/// <summary>
/// Driver binaries of kernels on disk, one file for each combination of text, options and driver. Safe between processes: files are written beside and
/// renamed, carry their own length and hash, and a damaged one is deleted and counts as absent. What cannot be written is told once and otherwise harmless.
/// </summary>
internal sealed class KernelCache
{
    private const int HeaderBytes = 8 + sizeof(long) + SHA256.HashSizeInBytes;
    private const string Extension = ".kernel";
    private static readonly TimeSpan TemporaryLives = TimeSpan.FromHours(1);
    private readonly string _folder;
    private readonly long _capacity;
    private readonly Action<string>? _notice;
    private bool _noticed;

    private KernelCache(string folder, DeviceOptions options) => (_folder, _capacity, _notice) = (folder, options.KernelCacheBytes, options.Notice);

    private static ReadOnlySpan<byte> Magic => "MRWKERN1"u8;

    /// <summary>The cache that <paramref name="options"/> ask for; null for none.</summary>
    public static KernelCache? For(DeviceOptions options) => options.KernelCache is { } folder ? new KernelCache(folder, options) : null;

    /// <summary>
    /// The binary of a kernel's text as built with <paramref name="options"/>; null where there is none. <paramref name="identity"/> names device, driver
    /// and their versions.
    /// </summary>
    public byte[]? Find(string text, string options, string identity)
    {
        string path = PathOf(text, options, identity);
        try
        {
            if (!File.Exists(path))
                return null;
            byte[] file = File.ReadAllBytes(path);
            if (!IsWhole(file))
            {
                File.Delete(path);
                return null;
            }
            // The time of the last write says when a file was last used; not every file system keeps the time of reads.
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
            return file[HeaderBytes..];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another process may have evicted it in between; anything else is worth a word.
            if (e is not (FileNotFoundException or DirectoryNotFoundException))
                Tell(e.Message);
            return null;
        }
    }

    /// <summary>Keeps a binary and evicts what was not used for the longest time while there are more bytes than the cap. One above the cap is not kept.</summary>
    public void Store(string text, string options, string identity, ReadOnlySpan<byte> binary)
    {
        if (HeaderBytes + binary.Length > _capacity)
            return;
        byte[] file = new byte[HeaderBytes + binary.Length];
        Magic.CopyTo(file);
        BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(Magic.Length), binary.Length);
        SHA256.HashData(binary, file.AsSpan(Magic.Length + sizeof(long)));
        binary.CopyTo(file.AsSpan(HeaderBytes));
        string path = PathOf(text, options, identity);
        try
        {
            AtomicFile.WriteBytes(path, file);
            Evict();
        }
        catch (FileNotFoundException)
        {
            // Another process evicted at the same time.
        }
        catch (Exception e) when (e is MarrowException or IOException or UnauthorizedAccessException)
        {
            Tell(e.Message);
        }
    }

    /// <summary>Removes a binary that the driver refused.</summary>
    public void Remove(string text, string options, string identity)
    {
        try
        {
            File.Delete(PathOf(text, options, identity));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Tell(e.Message);
        }
    }

    private static bool IsWhole(byte[] file) =>
        file.Length >= HeaderBytes
        && file.AsSpan().StartsWith(Magic)
        && BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(Magic.Length)) == file.Length - HeaderBytes
        && SHA256.HashData(file.AsSpan(HeaderBytes)).AsSpan().SequenceEqual(file.AsSpan(Magic.Length + sizeof(long), SHA256.HashSizeInBytes));

    private void Evict()
    {
        FileInfo[] files = new DirectoryInfo(_folder).GetFiles();
        long total = 0;
        foreach (FileInfo file in files)
        {
            // What a killed process left behind; a living one renames its file within moments.
            if (file.Extension == ".tmp" && DateTime.UtcNow - file.LastWriteTimeUtc > TemporaryLives)
                file.Delete();
            else if (file.Extension == Extension)
                total += file.Length;
        }
        if (total <= _capacity)
            return;
        foreach (FileInfo file in files.Where(f => f.Extension == Extension).OrderBy(f => f.LastWriteTimeUtc).ThenBy(f => f.Name, StringComparer.Ordinal))
        {
            if (total <= _capacity)
                return;
            total -= file.Length;
            file.Delete();
        }
    }

    // Parts are led by their lengths, so that no two combinations give the same bytes.
    private string PathOf(string text, string options, string identity)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[sizeof(int)];
        foreach (string part in (ReadOnlySpan<string>)[text, options, identity, typeof(KernelCache).Assembly.GetName().Version?.ToString() ?? ""])
        {
            byte[] bytes = Encoding.UTF8.GetBytes(part);
            BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }
        return Path.Combine(_folder, Convert.ToHexStringLower(hash.GetHashAndReset()) + Extension);
    }

    private void Tell(string why)
    {
        if (!_noticed)
            _notice?.Invoke($"compiled kernels are not all kept in {_folder}, so later runs compile them again: {why}");
        _noticed = true;
    }
}
