using System.Reflection;

namespace Marrow.Host;

/// <summary>The version of this build.</summary>
internal static class ProgramVersion
{
    /// <summary>"0.1.0" or "0.1.0+commit".</summary>
    public static string Text { get; } =
        typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
}
