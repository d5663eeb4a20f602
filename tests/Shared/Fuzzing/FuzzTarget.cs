using System.Text;

namespace Marrow.Tests;

/// <summary>Sound files that a parser reads together; the first is the one it is given.</summary>
internal sealed record FuzzSeed(params (string Name, byte[] Content)[] Files)
{
    /// <summary>Files of text.</summary>
    public static FuzzSeed Text(params (string Name, string Content)[] files) => new([.. files.Select(f => (f.Name, Encoding.UTF8.GetBytes(f.Content)))]);

    /// <summary>What a writer of ours puts into a folder; the first file by name, or <paramref name="first"/>, is the one that is given.</summary>
    public static FuzzSeed Written(Action<TemporaryFolder> write, string? first = null)
    {
        using var folder = new TemporaryFolder(TemporaryFolder.InMemory);
        write(folder);
        string[] names = [.. Directory.GetFiles(folder.Path).Select(f => Path.GetFileName(f)).OrderBy(n => n != first).ThenBy(n => n, StringComparer.Ordinal)];
        return new([.. names.Select(n => (n, File.ReadAllBytes(folder[n])))]);
    }
}

/// <summary>One parser that is given damaged files.</summary>
/// <param name="Name">Its name in results.</param>
/// <param name="Seeds">Makes its sound files, which are small.</param>
/// <param name="Parse">Opens what is at a path, and reads of it what a program would, values too.</param>
internal sealed record FuzzTarget(string Name, Func<IReadOnlyList<FuzzSeed>> Seeds, Action<string> Parse)
{
    /// <summary>The parser is given the folder of the files, not the first of them.</summary>
    public bool TakesFolder { get; init; }

    /// <summary>Half of the changes fall into this many first bytes, where headers are.</summary>
    public int Head { get; init; } = int.MaxValue;

    /// <summary>Where the files are text: words that mean something in them.</summary>
    public string[]? Words { get; init; }

    /// <summary>What is done with a damaged file before it is written.</summary>
    public Func<byte[], byte[]>? Wrap { get; init; }

    /// <summary>Allowed allocation beside 64 MiB, in multiples of the files.</summary>
    public int BytesPerFileByte { get; init; } = 4;
}
