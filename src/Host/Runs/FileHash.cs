using System.Security.Cryptography;

namespace Marrow.Host.Runs;

/// <summary>SHA-256 of files, as lower-case hex.</summary>
internal static class FileHash
{
    public static string Of(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public static async Task<string> OfFileAsync(string path, CancellationToken cancellationToken)
    {
        FileStream file = File.OpenRead(path);
        await using (file.ConfigureAwait(false))
            return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Hashes a file, or every visible file at the top of a folder, by file name in ordinal order.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> OfFileOrFolderAsync(string path, CancellationToken cancellationToken)
    {
        IEnumerable<string> files = Directory.Exists(path)
            ? Directory.EnumerateFiles(path).Where(f => Path.GetFileName(f)[0] != '.').Order(StringComparer.Ordinal)
            : [path];
        var hashes = new Dictionary<string, string>();
        foreach (string file in files)
            hashes[Path.GetFileName(file)] = await OfFileAsync(file, cancellationToken).ConfigureAwait(false);
        return hashes;
    }
}
