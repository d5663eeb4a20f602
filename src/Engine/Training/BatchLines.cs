using System.Globalization;
using System.Text;
using Marrow.Formats.Datasets;

namespace Marrow.Engine.Training;

/// <summary>Says where a batch's examples stand in the data file, for messages.</summary>
internal static class BatchLines
{
    private const int Most = 16;

    /// <summary>"at line 7" or, for data that came from no file, "number 6 (from 0)".</summary>
    public static string Name(TokenDataset data, int example) =>
        data.Line(example) is var line and > 0 ? $"at line {line}" : $"number {example} (from 0)";

    /// <summary>"lines 3, 9, 12" of all examples of the batches, at most 16 of them.</summary>
    public static string Name(TokenDataset data, ReadOnlySpan<TokenBatch> batches)
    {
        var text = new StringBuilder(data.Count > 0 && data.Line(0) > 0 ? "lines " : "examples (from 0) ");
        int told = 0, all = 0;
        foreach (TokenBatch batch in batches)
        {
            all += batch.Count;
            for (int i = 0; i < batch.Count && told < Most; i++)
            {
                int example = batch.Examples[i], line = data.Line(example);
                text.Append(told++ == 0 ? "" : ", ").Append(CultureInfo.InvariantCulture, $"{(line > 0 ? line : example)}");
            }
        }
        return (told < all ? text.Append(CultureInfo.InvariantCulture, $" and {all - told} more") : text).ToString();
    }
}
