namespace Marrow.Formats.Datasets;

/// <summary>One row that cannot be used; the loader turns it into a <see cref="DatasetIssue"/> and goes on to the next row.</summary>
internal sealed class RowException(string code, string message, int? column = null, Exception? inner = null)
    : MarrowException(code, message, inner)
{
    public int? Column { get; } = column;
}
