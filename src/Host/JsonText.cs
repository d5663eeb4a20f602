using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marrow.Host;

/// <summary>How the program writes JSON: snake_case names, text unescaped where JSON allows, NaN and infinity as text.</summary>
internal static class JsonText
{
    /// <summary>One line, for --json and metrics.</summary>
    public static JsonSerializerOptions Options { get; } = Create(indented: false);

    /// <summary>Several lines, for files that people open.</summary>
    public static JsonSerializerOptions Indented { get; } = Create(indented: true);

    private static JsonSerializerOptions Create(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = indented,
        NewLine = "\n",
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };
}
