using System.Diagnostics;
using Marrow.Formats;

namespace Marrow.Tests;

/// <summary>
/// What every parser keeps, whatever it is given: it takes the file or refuses it with a <see cref="MarrowException"/> that can be shown, within a second
/// and 64 MiB beside a multiple of the file.
/// </summary>
internal static class ParserRule
{
    private const long FreeBytes = 64 << 20;
    private const int LongestMessage = 4000;
    private const int Tries = 3;

    private static readonly TimeSpan LongestTime = TimeSpan.FromSeconds(1);

    /// <summary>Parses a file and tells how the rule was broken; null where it was kept.</summary>
    /// <param name="parse">The parser.</param>
    /// <param name="path">What it is given.</param>
    /// <param name="bytes">The size of the files there.</param>
    /// <param name="bytesPerFileByte">Allowed allocation beside 64 MiB, in multiples of the files.</param>
    /// <param name="refusal">The refusal; null where the file was taken.</param>
    public static string? Broken(Action<string> parse, string path, long bytes, int bytesPerFileByte, out MarrowException? refusal)
    {
        for (int tries = 1; ; tries++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            refusal = null;
            try
            {
                parse(path);
            }
            catch (MarrowException e)
            {
                refusal = e;
            }
            catch (Exception e)
            {
                return e.ToString();
            }
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            // Messages of a job file list several problems, one a line.
            if (refusal is not null && (refusal.Code.Length == 0 || refusal.Message.Length > LongestMessage || refusal.Message.Any(c => char.IsControl(c) && c != '\n')))
                return $"the refusal cannot be shown: {refusal}";
            if (allocated > FreeBytes + (bytesPerFileByte * bytes))
                return $"{allocated} bytes were allocated for {bytes} bytes of files";
            if (time < LongestTime)
                return null;
            // A busy machine may hold up any one try.
            if (tries == Tries)
                return $"took {time} at each of {Tries} tries";
        }
    }
}
