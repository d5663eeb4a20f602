namespace Marrow.Formats.Tests.Malformed;

/// <summary>Case 80: rwkv.cpp's files.</summary>
internal static class RwkvCppCases
{
    public static IEnumerable<MalformedCase> All { get; } = [];
}
