namespace Marrow.Host.Runs;

/// <summary>Writes a file beside its place, flushes it to the disk and renames it, so that a kill leaves the old file or the new one.</summary>
internal static class AtomicWrite
{
    public static void Bytes(string path, ReadOnlySpan<byte> bytes)
    {
        string beside = path + ".tmp";
        using (FileStream file = File.Create(beside))
        {
            file.Write(bytes);
            file.Flush(flushToDisk: true);
        }
        File.Move(beside, path, overwrite: true);
    }

    public static void Text(string path, string text) => Bytes(path, System.Text.Encoding.UTF8.GetBytes(text));
}
