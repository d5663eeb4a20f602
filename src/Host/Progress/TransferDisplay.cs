using System.Globalization;
using Marrow.Formats.Conversion;

namespace Marrow.Host.Progress;

/// <summary>How far a conversion is, on standard error: a line that is written over on a terminal, a line every few seconds elsewhere, nothing for short ones.</summary>
internal sealed class TransferDisplay(TextWriter errors, TimeProvider time, bool terminal) : IDisposable
{
    private static readonly TimeSpan OnTerminal = TimeSpan.FromMilliseconds(250), Elsewhere = TimeSpan.FromSeconds(5);

    private readonly long started = time.GetTimestamp();
    private long told = time.GetTimestamp();
    private int width;

    /// <summary>Takes notice.</summary>
    public void Tell(ConversionProgress progress)
    {
        long now = time.GetTimestamp();
        if (time.GetElapsedTime(told, now) < (terminal ? OnTerminal : Elsewhere))
            return;
        told = now;
        double seconds = time.GetElapsedTime(started, now).TotalSeconds, rate = progress.BytesDone / seconds;
        string left = progress.BytesDone == 0 ? "?" : Quantity.Time(TimeSpan.FromSeconds((progress.BytesTotal - progress.BytesDone) / rate));
        string line = string.Create(CultureInfo.InvariantCulture,
            $"{100.0 * progress.BytesDone / Math.Max(1, progress.BytesTotal):0}%  {Quantity.Bytes(progress.BytesDone)} of {Quantity.Bytes(progress.BytesTotal)}  {rate / 1e6:0} MB/s  {left} left");
        if (terminal)
        {
            errors.Write($"\r{line.PadRight(width)}");
            width = line.Length;
        }
        else
        {
            errors.WriteLine(line);
        }
    }

    /// <summary>Takes the line away.</summary>
    public void Dispose()
    {
        if (width > 0)
            errors.Write($"\r{new string(' ', width)}\r");
    }
}
