using System.Text.Json;
using Marrow.Formats;

namespace Marrow.Host.Quickstart;

/// <summary>A question and the answer that is wanted.</summary>
internal sealed record Exchange(string Question, string Answer);

/// <summary>The bundled model and data, which lie beside the program.</summary>
internal static class Samples
{
    private static string Root => Path.Combine(AppContext.BaseDirectory, "samples");

    /// <summary>The families that a tiny model is bundled of.</summary>
    public static IReadOnlyList<string> Families { get; } = ["llama", "rwkv7"];

    /// <summary>The tiny model of a family.</summary>
    public static string Model(string family) => Path.Combine(Root, "tiny-" + family);

    /// <summary>The job that the quickstart runs for a family.</summary>
    public static string Job(string family) => Path.Combine(Root, "quickstart", family == "llama" ? "job.yaml" : $"job-{family}.yaml");

    /// <summary>The examples to train on.</summary>
    public static string Train => Path.Combine(Root, "quickstart", "train.jsonl");

    /// <summary>The examples held out.</summary>
    public static string HeldOut => Path.Combine(Root, "quickstart", "heldout.jsonl");

    /// <summary>Throws unless all that a family's quickstart needs is there.</summary>
    /// <exception cref="MarrowException">QS001.</exception>
    public static void Require(string family)
    {
        foreach (string path in new[] { Model(family), Job(family), Train, HeldOut })
            if (!Path.Exists(path))
                throw new MarrowException("QS001", $"{path} is missing: the samples belong beside the program; build or publish it again from the whole repository");
    }

    /// <summary>The exchanges of a file of one-question conversations.</summary>
    /// <exception cref="MarrowException">QS001: a line is something else.</exception>
    public static IReadOnlyList<Exchange> Read(string path)
    {
        var exchanges = new List<Exchange>();
        foreach (string line in File.ReadLines(path))
        {
            Row? row = JsonSerializer.Deserialize<Row>(line, JsonText.Options);
            exchanges.Add(row?.Messages is [{ Role: "user" } user, { Role: "assistant" } assistant] ? new Exchange(user.Content, assistant.Content)
                : throw new MarrowException("QS001", $"{path}:{exchanges.Count + 1}: not a question and its answer"));
        }
        return exchanges;
    }

    private sealed record Row(ChatMessage[]? Messages);
}
