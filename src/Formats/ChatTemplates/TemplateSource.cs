using System.Globalization;

namespace Marrow.Formats.ChatTemplates;

/// <summary>Where a template comes from, for messages.</summary>
internal sealed record TemplateSource(string File)
{
    public MarrowException Error(string code, int line, string message) =>
        new(code, string.Create(CultureInfo.InvariantCulture, $"{File}: chat template, line {line}: {message} [{code}]"));

    public MarrowException Syntax(int line, string message) => Error("CT001", line, message);

    public MarrowException Unsupported(int line, string what) =>
        Error("CT001", line, $"{what} is not supported; simplify the template, or format the conversations yourself");
}
