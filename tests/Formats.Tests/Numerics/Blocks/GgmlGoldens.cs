using System.Security.Cryptography;

namespace Marrow.Formats.Tests.Numerics.Blocks;

/// <summary>What ggml made of the inputs of <see cref="BlockInputs"/>.</summary>
internal sealed class GgmlGoldens
{
    public static GgmlGoldens Read()
    {
        using Stream stream = typeof(GgmlGoldens).Assembly.GetManifestResourceStream("ggml.txt")!;
        using var reader = new StreamReader(stream);
        var found = new GgmlGoldens();
        while (reader.ReadLine() is { } line)
        {
            if (line[0] != '#')
                found.Lines.Add(line[..line.IndexOf(' ', StringComparison.Ordinal)], line.Split(' '));
        }
        return found;
    }

    private Dictionary<string, string[]> Lines { get; } = [];

    public string Input => Lines["input"][1];

    public string Encoded(string type) => Lines[type][1];

    public string Decoded(string type) => Lines[type][2];

    /// <summary>The first block of each of the first twelve 256s.</summary>
    public byte[] FirstBlocks(string type) => Convert.FromBase64String(Lines[type][3]);

    public static string Digest(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
