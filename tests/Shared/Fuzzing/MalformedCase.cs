using Marrow.Formats;

namespace Marrow.Tests;

/// <summary>A row of the catalogue of malformed files (spec/formats.md §9).</summary>
/// <param name="Number">The case.</param>
/// <param name="What">What is wrong.</param>
/// <param name="Code">The refusal's code; null where the file is to be taken, as odd as it is.</param>
/// <param name="File">The file, or the folder ("."), that is opened, and that the refusal names.</param>
/// <param name="Build">Puts the files into a folder.</param>
/// <param name="Open">Opens what is at a path, and reads of it what the case is about.</param>
internal sealed record MalformedCase(int Number, string What, string? Code, string File, Action<TemporaryFolder> Build, Action<string> Open)
{
    /// <summary>What the refusal names where it is not the opened file; empty where nothing is opened that has a name.</summary>
    public string Names { get; init; } = File == "." ? "" : System.IO.Path.GetFileName(File);

    /// <summary>Allowed allocation beside 64 MiB, in multiples of the files.</summary>
    public int BytesPerFileByte { get; init; } = 4;

    /// <summary>The numbers that there are.</summary>
    public static IEnumerable<int> All => Enumerable.Range(1, 88);

    /// <summary>The cases of adapters.</summary>
    public static int[] OfAdapters { get; } = [53, 54, 55, 83, 84];

    /// <summary>One file.</summary>
    public static MalformedCase Of(int number, string what, string? code, string file, Func<byte[]> content, Action<string> open) =>
        new(number, what, code, file, folder => folder.Put(file, content()), open);

    /// <summary>Checks that the file is refused with its code and name, and that <see cref="ParserRule"/> is kept.</summary>
    public void Check()
    {
        using var folder = new TemporaryFolder(TemporaryFolder.InMemory);
        Build(folder);
        long bytes = Directory.EnumerateFiles(folder.Path).Sum(f => new FileInfo(f).Length);
        string? broken = ParserRule.Broken(Open, File == "." ? folder.Path : folder[File], bytes, BytesPerFileByte, out MarrowException? refusal);
        Assert.True(broken is null, $"{Number} {What}: {broken}");
        Assert.True(refusal?.Code == Code, $"{Number} {What}: {refusal?.Message ?? "taken"}");
        if (refusal is not null)
            Assert.Contains(Names, refusal.Message, StringComparison.Ordinal);
    }
}
