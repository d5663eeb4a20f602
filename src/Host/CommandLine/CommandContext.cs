using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Marrow.Host.CommandLine;

/// <summary>What a running command works with.</summary>
/// <param name="Services">The services of the host.</param>
/// <param name="Output">Standard output: results only.</param>
/// <param name="Errors">Standard error: messages.</param>
/// <param name="Json">Whether the result is one JSON document.</param>
internal sealed record CommandContext(IServiceProvider Services, TextWriter Output, TextWriter Errors, bool Json)
{
    public T Get<T>() where T : notnull => Services.GetRequiredService<T>();

    /// <summary>Writes the result: as JSON under --json, else by <paramref name="text"/>.</summary>
    public void Report<T>(T result, Action<TextWriter> text)
    {
        if (Json)
            ReportJson(result);
        else
            text(Output);
    }

    /// <summary>Writes the result under --json; for commands that write their text as they go.</summary>
    public void ReportJson<T>(T result)
    {
        if (Json)
            Output.WriteLine(JsonSerializer.Serialize(result, JsonText.Options));
    }
}
