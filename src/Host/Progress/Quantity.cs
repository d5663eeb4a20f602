using System.Globalization;

namespace Marrow.Host.Progress;

/// <summary>Numbers as people read them.</summary>
internal static class Quantity
{
    /// <summary>"1.5 GiB".</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        int unit = bytes < 1024 ? 0 : Math.Min(units.Length - 1, (int)Math.Log(bytes, 1024));
        return string.Create(CultureInfo.InvariantCulture, $"{bytes / Math.Pow(1024, unit):0.#} {units[unit]}");
    }

    /// <summary>"1:02:03" or "2:03", rounded up to a second; days are counted in hours.</summary>
    public static string Time(TimeSpan time)
    {
        long seconds = (long)Math.Ceiling(time.TotalSeconds);
        return seconds >= 3600
            ? string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600}:{seconds / 60 % 60:00}:{seconds % 60:00}")
            : string.Create(CultureInfo.InvariantCulture, $"{seconds / 60}:{seconds % 60:00}");
    }

    /// <summary>"1.23e-4".</summary>
    public static string Rate(double value) => value == 0 ? "0" : value.ToString("0.##e-0", CultureInfo.InvariantCulture);

    /// <summary>"2.3456".</summary>
    public static string Loss(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);

    /// <summary>A number with three figures or so: "1234", "12.3", "0.123".</summary>
    public static string Short(double value) =>
        value.ToString(Math.Abs(value) switch { >= 100 => "0", >= 10 => "0.0", _ => "0.000" }, CultureInfo.InvariantCulture);
}
