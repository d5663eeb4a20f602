using Marrow.Formats;
using Marrow.Host.Jobs.Yaml;

namespace Marrow.Host.Jobs;

/// <summary>Reads a composed YAML document as a job, noting every problem on the way.</summary>
internal sealed class JobReader(JobProblems problems)
{
    private readonly Dictionary<string, Place> given = [];

    /// <summary>The keys that were given and read.</summary>
    public IReadOnlySet<string> Given => given.Keys.ToHashSet();

    /// <summary>The job with every default filled in; meaningless when problems were noted.</summary>
    public JobSpec Read(YamlNode root)
    {
        var job = new JobSpec();
        if (root is not YamlMap map)
        {
            problems.Add("JB006", root.Place, null, "a job file is a mapping with the sections model, adapter, data, training and output");
            return job;
        }
        foreach (YamlEntry entry in map.Entries)
            ReadTop(entry, job);
        // PEFT names the forms of MiSS by init_weights.
        if (job.Adapter is { Method: "miss" or "bone", InitWeights: "bat" or "mini" } form)
            job = job with { Adapter = form with { Method = form.InitWeights, InitWeights = "true" } };
        foreach (JobSection section in JobKeys.Sections)
            RequireKeys(section, map);
        foreach (JobKey key in JobKeys.All)
            if (given.TryGetValue(key.Path, out Place place) && !key.AppliesTo(job.Adapter.Method))
                problems.Add("JB009", place, key.Path, $"does not apply to method {job.Adapter.Method}; remove it or choose {string.Join(" or ", key.Key.Methods)}");
        job = Resolved(job);
        JobRules.Check(job, given, problems);
        return job;
    }

    private void ReadTop(YamlEntry entry, JobSpec job)
    {
        string name = entry.Key.Text;
        if (name == "schema")
            CheckSchema(entry.Value);
        else if (JobKeys.Find(name) is { } section)
            ReadSection(section, entry.Value, section.Property.GetValue(job)!);
        else if (!name.StartsWith("x-", StringComparison.Ordinal))
            Unknown(entry.Key, name, null);
    }

    private void CheckSchema(YamlNode node)
    {
        if (node is not YamlScalar { Text: JobSpec.Schema })
            problems.Add("JB003", node.Place, "schema", $"this program reads {JobSpec.Schema}, not {(node is YamlScalar s ? $"'{Echo.Name(s.Text)}'" : "this")}");
    }

    private void ReadSection(JobSection section, YamlNode node, object target)
    {
        if (node is not YamlMap map)
        {
            if (node is not YamlScalar { IsNull: true })
                problems.Add("JB006", node.Place, section.Name, "must be a mapping of keys");
            return;
        }
        foreach (YamlEntry entry in map.Entries)
        {
            if (section.Find(entry.Key.Text) is not { } key)
                Unknown(entry.Key, $"{section.Name}.{entry.Key.Text}", section);
            else if (new KeyReader(key, problems).TryRead(entry.Value, out object? value))
            {
                key.Property.SetValue(target, value);
                if (value is not null)
                    given[key.Path] = entry.Value.Place;
            }
        }
    }

    private void RequireKeys(JobSection section, YamlMap root)
    {
        YamlNode? node = root.Find(section.Name);
        foreach (JobKey key in section.Keys.Where(k => k.Key.Required))
            if (node is null or YamlScalar { IsNull: true } or YamlMap && (node as YamlMap)?.Find(key.Name) is null)
                problems.Add("JB008", node?.Place ?? root.Place, key.Path, $"is missing; {char.ToLowerInvariant(key.Key.About[0])}{key.Key.About[1..].TrimEnd('.')}");
    }

    private void Unknown(YamlScalar at, string path, JobSection? section)
    {
        string name = at.Text;
        string? called = JobKeys.All.SelectMany(k => k.Key.AlsoKnownAs, (k, other) => other == name || other.StartsWith(name + ": ", StringComparison.Ordinal) ? k.Path + other[name.Length..] : null).FirstOrDefault(c => c is not null);
        IEnumerable<string> here = section?.Keys.Select(k => k.Name) ?? JobKeys.Sections.Select(s => s.Name);
        string hint = called is not null ? $"; here it is called {called}"
            : JobKeys.All.FirstOrDefault(k => k.Name == name) is { } elsewhere ? $"; it belongs under {elsewhere.Section}"
            : NearNames.Of(name, here, 1) is [var near] ? $"; did you mean {near}?"
            : NearNames.Of(name, JobKeys.All.Select(k => k.Name), 1) is [var far] ? $"; did you mean {JobKeys.All.First(k => k.Name == far).Path}?"
            : "";
        problems.Add("JB004", at.Place, path, $"unknown key{hint}");
    }

    /// <summary>Fills in the defaults that depend on other keys.</summary>
    private static JobSpec Resolved(JobSpec job)
    {
        TrainingSpec training = job.Training;
        return job with { Training = training with { Epochs = training.Epochs ?? (training.MaxSteps is null ? 1 : null) } };
    }
}
