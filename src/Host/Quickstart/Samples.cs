using System.Text.Json;
using Marrow.Formats;

namespace Marrow.Host.Quickstart;

/// <summary>A question and the answer that is wanted.</summary>
internal sealed record Exchange(string Question, string Answer);

/// <summary>The bundled model and data, which lie beside the program.</summary>
internal static class Samples
{
    private static string Root => Path.Combine(AppContext.BaseDirectory, "samples");

    /// <summary>The tiny model.</summary>
    public static string Model => Path.Combine(Root, "tiny-llama");

    /// <summary>The job that the quickstart runs.</summary>
    public static string Job => Path.Combine(Root, "quickstart", "job.yaml");

    /// <summary>The examples to train on.</summary>
    public static string Train => Path.Combine(Root, "quickstart", "train.jsonl");

    /// <summary>The examples held out.</summary>
    public static string HeldOut => Path.Combine(Root, "quickstart", "heldout.jsonl");

    /// <summary>Throws unless all of them are there.</summary>
    /// <exception cref="MarrowException">QS001.</exception>
    public static void Require()
    {
        foreach (string path in new[] { Model, Job, Train, HeldOut })
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
