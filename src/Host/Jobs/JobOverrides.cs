using Marrow.Formats;
using Marrow.Host.Jobs.Yaml;

namespace Marrow.Host.Jobs;

/// <summary>Applies <c>--set section.key=value</c> to a composed job before it is read; the value is YAML.</summary>
internal static class JobOverrides
{
    public static YamlNode Apply(YamlNode root, IEnumerable<string> settings, JobProblems problems)
    {
        foreach (string setting in settings)
        {
            var place = new Place($"--set {Echo.Name(setting)}", 0, 0);
            int equals = setting.IndexOf('=', StringComparison.Ordinal);
            string[] path = equals < 0 ? [] : setting[..equals].Trim().Split('.');
            if (path.Length is 0 or > 2 || path.Any(string.IsNullOrWhiteSpace))
            {
                problems.Add("JB011", place, null, "write --set section.key=value, as in --set training.learning_rate=3e-4");
                continue;
            }
            string text = setting[(equals + 1)..];
            YamlNode? value = text.Trim().Length == 0 ? new YamlScalar(place, "", false) : YamlComposer.Compose(text, place.Source, problems);
            if (value is not null && root is YamlMap map)
                root = Set(map, path, At(value, place), place);
        }
        return root;
    }

    private static YamlMap Set(YamlMap root, string[] path, YamlNode value, Place place)
    {
        var key = new YamlScalar(place, path[^1], false);
        if (path.Length == 1)
            return root.With(key, value);
        var sectionKey = new YamlScalar(place, path[0], false);
        return root.Find(path[0]) switch
        {
            YamlMap section => root.With(sectionKey, section.With(key, value)),
            null or YamlScalar { IsNull: true } => root.With(sectionKey, new YamlMap(place, [new YamlEntry(key, value)])),
            _ => root,
        };
    }

    /// <summary>Lines and columns inside an override say nothing to its writer.</summary>
    private static YamlNode At(YamlNode node, Place place) => node switch
    {
        YamlList list => new YamlList(place, [.. list.Items.Select(i => At(i, place))]),
        YamlMap map => new YamlMap(place, [.. map.Entries.Select(e => new YamlEntry(e.Key with { Place = place }, At(e.Value, place)))]),
        _ => node with { Place = place },
    };
}
