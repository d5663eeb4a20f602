using System.Reflection;
using System.Text.Json;

namespace Marrow.Host.Jobs;

/// <summary>One section of the job file.</summary>
/// <param name="Name">"training".</param>
/// <param name="Property">Its property of <see cref="JobSpec"/>.</param>
/// <param name="Keys">Its keys in the order of the file.</param>
internal sealed record JobSection(string Name, PropertyInfo Property, IReadOnlyList<JobKey> Keys)
{
    public JobKey? Find(string name) => Keys.FirstOrDefault(k => k.Name == name);
}

/// <summary>The table of all keys, read once from the attributes of <see cref="JobSpec"/> and its sections.</summary>
internal static class JobKeys
{
    public static IReadOnlyList<JobSection> Sections { get; } = [.. Declared(typeof(JobSpec)).Select(Section)];

    public static JobSection? Find(string section) => Sections.FirstOrDefault(s => s.Name == section);

    public static IEnumerable<JobKey> All => Sections.SelectMany(s => s.Keys);

    private static JobSection Section(PropertyInfo property)
    {
        string name = JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);
        object defaults = Activator.CreateInstance(property.PropertyType)!;
        return new JobSection(name, property, [.. Declared(property.PropertyType)
            .Select(p => new JobKey(name, p, p.GetCustomAttribute<KeyAttribute>()!, defaults))]);
    }

    private static IEnumerable<PropertyInfo> Declared(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).OrderBy(p => p.MetadataToken);
}
