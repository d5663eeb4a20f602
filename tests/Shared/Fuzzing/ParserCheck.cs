using System.Diagnostics;
using Marrow.Formats;
using Xunit.Abstractions;

namespace Marrow.Tests;

/// <summary>Gives one parser files and holds it to <see cref="ParserRule"/>.</summary>
/// <param name="output">Where seeds and results are printed.</param>
/// <param name="what">The parser, for messages; also the name of the files, so that an extension may matter.</param>
/// <param name="parse">Opens the file at a path and reads of it what a program would.</param>
internal sealed class ParserCheck(ITestOutputHelper output, string what, Action<string> parse) : IDisposable
{
    private readonly TemporaryFolder _folder = new(TemporaryFolder.InMemory);
    private readonly SortedDictionary<string, int> _codes = new(StringComparer.Ordinal);

    /// <summary>Files seen.</summary>
    public int Count { get; private set; }

    /// <summary>Files refused.</summary>
    public int Refused => _codes.Values.Sum();

    /// <summary>The codes of the refusals with their counts.</summary>
    public IReadOnlyDictionary<string, int> Codes => _codes;

    /// <summary>Allowed allocation beside 64 MiB, in multiples of the file.</summary>
    public int BytesPerFileByte { get; init; } = 4;

    /// <summary>Tries damaged copies of sound files, which must be taken undamaged, for a number of rounds or until the time is over.</summary>
    public void Mutate(IReadOnlyList<byte[]> files, int seed, int rounds, int head = int.MaxValue, Func<byte[], byte[]>? wrap = null, TimeSpan? most = null)
    {
        output.WriteLine($"{what}: seed {seed}, at most {rounds} rounds");
        wrap ??= file => file;
        foreach (byte[] file in files)
            parse(_folder.Put(what, wrap(file)));
        Mutator mutator = new(seed);
        Stopwatch watch = Stopwatch.StartNew();
        int round = 0;
        for (; round < rounds && (most is null || watch.Elapsed < most); round++)
            Try(wrap(mutator.Next(files, head)), $"seed {seed}, round {round}");
        output.WriteLine($"{round} rounds, {Refused} refused: {string.Join(", ", _codes.Select(c => $"{c.Key} {c.Value}"))}");
    }

    /// <summary>Tries one file.</summary>
    /// <returns>The code of the refusal; null where the file was taken.</returns>
    public string? Try(byte[] content, string label)
    {
        Count++;
        string path = _folder.Put(what, content);
        if (ParserRule.Broken(parse, path, content.Length, BytesPerFileByte, out MarrowException? refusal) is { } reason)
            Assert.Fail($"{what}, {label}: {reason}\n{Convert.ToHexString(content.AsSpan(0, Math.Min(content.Length, 4096)))}");
        if (refusal is not null)
            _codes[refusal.Code] = _codes.GetValueOrDefault(refusal.Code) + 1;
        return refusal?.Code;
    }

    public void Dispose() => _folder.Dispose();
}
