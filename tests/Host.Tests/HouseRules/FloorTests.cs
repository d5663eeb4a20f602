using System.Reflection;
using System.Xml.Linq;

namespace Marrow.Host.Tests.HouseRules;

/// <summary>Imports run downwards only: Formats, Engine, Adapters, Host, from the ground up.</summary>
public class FloorTests
{
    private static readonly string[] Floors = ["Formats", "Engine", "Adapters", "Host"];

    [Fact]
    public void Every_project_in_src_is_a_floor_and_refers_to_lower_ones_only()
    {
        string[] projects = Directory.GetFiles(Repository.PathOf("src"), "*.csproj", SearchOption.AllDirectories);
        Assert.Equal(Floors.Order(), projects.Select(Path.GetFileNameWithoutExtension).Order());
        foreach (string project in projects)
            foreach (XElement reference in XDocument.Load(project).Descendants("ProjectReference"))
                RequireBelow(Path.GetFileNameWithoutExtension(project), Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));
    }

    [Theory]
    [InlineData("Formats")]
    [InlineData("Engine")]
    [InlineData("Adapters")]
    [InlineData("Host")]
    public void Every_assembly_uses_lower_ones_only_and_keeps_to_its_namespace(string floor)
    {
        var assembly = Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, floor == "Host" ? "marrow.dll" : $"Marrow.{floor}.dll"));
        foreach (AssemblyName used in assembly.GetReferencedAssemblies().Where(a => a.Name!.StartsWith("Marrow", StringComparison.OrdinalIgnoreCase)))
            RequireBelow(floor, used.Name!["Marrow.".Length..]);
        string[] strangers = [.. assembly.GetTypes()
            .Select(t => t.Namespace ?? "")
            .Where(n => n.StartsWith("Marrow", StringComparison.Ordinal) && n != $"Marrow.{floor}" && !n.StartsWith($"Marrow.{floor}.", StringComparison.Ordinal))];
        Assert.Empty(strangers);
        Assert.All(assembly.GetExportedTypes(), t => Assert.StartsWith("Marrow.", t.Namespace ?? "", StringComparison.Ordinal));
    }

    private static void RequireBelow(string floor, string used) =>
        Assert.True(Array.IndexOf(Floors, used) >= 0 && Array.IndexOf(Floors, used) < Array.IndexOf(Floors, floor),
            $"{floor} uses {used}; imports run downwards only: {string.Join(" <- ", Floors)}");
}
