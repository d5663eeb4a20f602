using Marrow.Formats.Datasets.BinIdx;

namespace Marrow.Formats.Datasets;

/// <summary>The files that <c>data.train</c> and <c>data.eval</c> mean.</summary>
public static class DatasetFiles
{
    /// <summary>One JSONL file, or the .idx and .bin of a binidx dataset, whether or not they exist.</summary>
    public static IReadOnlyList<string> Of(string path, DatasetFormat format)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!IsBinIdx(path, format))
            return [path];
        (string index, string data) = BinIdxLayout.PathsOf(path);
        return [index, data];
    }

    /// <summary>Left to itself, a path that ends in .idx or .bin is a binidx dataset.</summary>
    internal static bool IsBinIdx(string path, DatasetFormat format) =>
        format == DatasetFormat.BinIdx || (format == DatasetFormat.Auto && BinIdxLayout.HasEnding(path));
}
