using System.Diagnostics;
using Marrow.Formats;
using Xunit.Abstractions;

namespace Marrow.Tests;

/// <summary>
/// Whatever a parser is given, it takes the file or refuses it with a <see cref="MarrowException"/> that can be shown, soon and in little memory.
/// </summary>
/// <param name="output">Where seeds and results are printed.</param>
/// <param name="what">The parser, for messages; also the name of the files, so that an extension may matter.</param>
/// <param name="parse">Opens the file at a path and reads of it what a program would.</param>
internal sealed class ParserCheck(ITestOutputHelper output, string what, Action<string> parse) : IDisposable
{
    private const long FreeBytes = 64 << 20;
    private const int LongestMessage = 4000;
    private const int Tries = 3;

    private static readonly TimeSpan LongestTime = TimeSpan.FromSeconds(1);

    private readonly TemporaryFolder _folder = new();
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
        for (int tries = 1; ; tries++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Stopwatch watch = Stopwatch.StartNew();
            string? code = Outcome(path, label, content);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocated > FreeBytes + (BytesPerFileByte * (long)content.Length))
                Fail(label, content, $"{allocated} bytes were allocated for a file of {content.Length}");
            if (watch.Elapsed < LongestTime)
            {
                if (code is not null)
                    _codes[code] = _codes.GetValueOrDefault(code) + 1;
                return code;
            }
            // A busy machine may hold up any one try.
            if (tries == Tries)
                Fail(label, content, $"took {watch.Elapsed} at each of {Tries} tries");
        }
    }

    public void Dispose() => _folder.Dispose();

    private string? Outcome(string path, string label, byte[] content)
    {
        try
        {
            parse(path);
            return null;
        }
        catch (MarrowException e)
        {
            if (e.Code.Length == 0 || e.Message.Length > LongestMessage || e.Message.Any(char.IsControl))
                Fail(label, content, $"the refusal cannot be shown: {e}");
            return e.Code;
        }
        catch (Exception e)
        {
            Fail(label, content, e.ToString());
            throw;
        }
    }

    private void Fail(string label, byte[] content, string reason) =>
        Assert.Fail($"{what}, {label}: {reason}\n{Convert.ToHexString(content.AsSpan(0, Math.Min(content.Length, 4096)))}");
}
