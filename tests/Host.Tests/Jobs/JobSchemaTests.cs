using System.Text.Json.Nodes;
using Marrow.Host.Jobs;

namespace Marrow.Host.Tests.Jobs;

public class JobSchemaTests
{
    [Fact]
    public void The_published_schema_is_the_generated_one()
    {
        string published = Repository.PathOf("docs", "schema", "job-v1.schema.json");
        string fresh = Path.Combine(AppContext.BaseDirectory, "job-v1.schema.json");
        File.WriteAllText(fresh, JobSchema.Write());
        Assert.True(File.Exists(published) && File.ReadAllText(published) == JobSchema.Write(),
            $"the keys of the job file have changed; copy {fresh} to {published}");
    }

    [Fact]
    public void Every_key_has_a_description_and_a_default_or_is_required()
    {
        JsonNode schema = JsonNode.Parse(JobSchema.Write())!;
        foreach ((string name, JsonNode? section) in schema["properties"]!.AsObject().Where(p => p.Key != "schema"))
        {
            string[] required = [.. section!["required"]?.AsArray().Select(n => n!.GetValue<string>()) ?? []];
            foreach ((string key, JsonNode? described) in section["properties"]!.AsObject())
            {
                Assert.True(described!["description"] is not null, $"{name}.{key}");
                Assert.True(described.AsObject().ContainsKey("default") != required.Contains(key), $"{name}.{key}");
            }
        }
    }
}
