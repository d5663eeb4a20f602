using System.Diagnostics;
using System.Globalization;
using Marrow.Formats;
using Xunit.Abstractions;

namespace Marrow.Tests;

/// <summary>
/// Gives a parser damaged copies of its sound files: for a short time, or MARROW_FUZZ_INPUTS of them, with the seed MARROW_FUZZ_SEED or always the same.
/// </summary>
internal sealed class FuzzRun : IDisposable
{
    private const int MostFaults = 10;
    private const int ShownBytes = 4096;

    // Ordinary runs are the beginning of long ones that passed: a change is judged by what it changed, not by luck.
    private const int UsualSeed = 7;

    private static readonly TimeSpan ShortRun = TimeSpan.FromSeconds(1.5), Hang = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new(TemporaryFolder.InMemory);
    private readonly FuzzTarget _target;
    private readonly IReadOnlyList<FuzzSeed> _seeds;
    private readonly byte[][] _files;
    private readonly int _seed;
    private readonly Mutator _mutator;
    private readonly Random _choice;
    private readonly SortedDictionary<string, long> _codes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _faults = [];
    private long _count;

    private FuzzRun(FuzzTarget target, int seed)
    {
        (_target, _seed, _seeds) = (target, seed, target.Seeds());
        _files = [.. _seeds.SelectMany(s => s.Files).Select(f => f.Content)];
        _mutator = new Mutator(seed, target.Words);
        _choice = new Random(seed);
    }

    /// <summary>Runs a parser; fails with every kind of fault that was found.</summary>
    public static void Of(FuzzTarget target, ITestOutputHelper output)
    {
        long? inputs = Number("MARROW_FUZZ_INPUTS");
        using var run = new FuzzRun(target, (int?)Number("MARROW_FUZZ_SEED") ?? UsualSeed);
        run.LayOut();
        long start = Stopwatch.GetTimestamp();
        using (new Timer(_ => run.StopHang(), null, Hang, Hang))
        {
            while (run._faults.Count < MostFaults && (inputs is { } most ? run._count < most : Stopwatch.GetElapsedTime(start) < ShortRun))
                run.Step();
        }
        long refused = run._codes.Values.Sum();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{target.Name}: seed {run._seed}: {run._count} inputs in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s, {run._count - refused} accepted, {refused} refused: {string.Join(", ", run._codes.Select(c => $"{c.Key} {c.Value}"))}"));
        Assert.True(run._faults.Count == 0, string.Join("\n\n", run._faults.Values));
        Assert.True(refused > 0, "no damage was noticed");
    }

    public void Dispose() => _folder.Dispose();

    private void LayOut()
    {
        for (int s = 0; s < _seeds.Count; s++)
        {
            Directory.CreateDirectory(FolderOf(s));
            foreach ((string name, byte[] content) in _seeds[s].Files)
                Write(s, name, content);
            try
            {
                _target.Parse(PathOf(s));
            }
            catch (MarrowException e)
            {
                Assert.Fail($"{_target.Name}: the sound file {s} is refused: {e.Message}");
            }
        }
    }

    private void Step()
    {
        _count++;
        int s = _choice.Next(_seeds.Count);
        (string Name, byte[] Content)[] files = _seeds[s].Files;
        int at = _choice.Next(files.Length);
        byte[] damaged = _mutator.Next([files[at].Content, .. _files.AsSpan(_choice.Next(_files.Length), 1)], _target.Head, first: true);
        Write(s, files[at].Name, damaged);
        if (ParserRule.Broken(_target.Parse, PathOf(s), damaged.Length, _target.BytesPerFileByte, out MarrowException? refusal) is { } reason)
            Note(reason, files[at].Name, damaged);
        else if (refusal is not null)
            _codes[refusal.Code] = _codes.GetValueOrDefault(refusal.Code) + 1;
        if (files.Length > 1)
            Write(s, files[at].Name, files[at].Content);
    }

    // Faults are told apart by their first lines, so that one run finds several.
    private void Note(string reason, string file, byte[] damaged)
    {
        string kind = string.Join('\n', reason.Split('\n').Where(l => l.StartsWith("   at ", StringComparison.Ordinal)).Take(2).DefaultIfEmpty(reason[..Math.Min(20, reason.Length)]));
        if (_faults.ContainsKey(kind))
            return;
        string copy = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"marrow-fuzz-{_target.Name.Replace(' ', '-').Replace('/', '-')}-{_seed}-{_count}"));
        File.WriteAllBytes(copy, damaged);
        _faults.Add(kind, $"{_target.Name}, seed {_seed}, input {_count}, {file} (kept as {copy}): {reason}\n{Convert.ToHexString(damaged.AsSpan(0, Math.Min(damaged.Length, ShownBytes)))}");
    }

    private long _seen = -1;

    private void StopHang()
    {
        long now = Interlocked.Read(ref _count);
        if (now == _seen)
            Environment.FailFast($"{_target.Name}: seed {_seed}, input {now} hangs; its files are kept in {_folder.Path}");
        _seen = now;
    }

    private void Write(int seed, string name, byte[] content) => File.WriteAllBytes(Path.Combine(FolderOf(seed), name), _target.Wrap is { } wrap ? wrap(content) : content);

    private string FolderOf(int seed) => _folder[seed.ToString(CultureInfo.InvariantCulture)];

    private string PathOf(int seed) => _target.TakesFolder ? FolderOf(seed) : Path.Combine(FolderOf(seed), _seeds[seed].Files[0].Name);

    private static long? Number(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? long.Parse(text, CultureInfo.InvariantCulture) : null;
}
