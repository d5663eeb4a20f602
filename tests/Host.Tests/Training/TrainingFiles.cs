using System.Text.Json;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;

namespace Marrow.Host.Tests.Training;

/// <summary>Reads what training writes and what it is compared with.</summary>
internal static class TrainingFiles
{
    /// <summary>The values of one property in metrics.jsonl, line by line where it stands.</summary>
    public static double[] Metric(string run, string property) =>
    [
        .. File.ReadLines(Path.Combine(run, "metrics.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.TryGetProperty(property, out _))
            .Select(line => line.GetProperty(property).GetDouble()),
    ];

    /// <summary>All tensors of a file. An adapter's go by one name, whether PEFT (now or earlier) or RWKV-PEFT has named them.</summary>
    public static Dictionary<string, float[]> Tensors(string path)
    {
        using ModelWeights file = ModelWeights.OfFile(path);
        return file.Tensors.Tensors.Keys.ToDictionary(Common, name => file.Tensors.ReadFloats(name));
    }

    private static string Common(string name) => name.Replace("base_model.model.", "", StringComparison.Ordinal).Replace("bone_block", "disha", StringComparison.Ordinal)
        .Replace("miss_block", "disha", StringComparison.Ordinal).Replace("lora_A.weight", "lora_A", StringComparison.Ordinal).Replace("lora_B.weight", "lora_B", StringComparison.Ordinal);

    /// <summary>A data file of token ids, one row per sequence.</summary>
    public static string TokenRows(IEnumerable<(long[] Ids, long[] Labels)> rows) =>
        string.Concat(rows.Select(r => $$"""{"input_ids":[{{string.Join(',', r.Ids)}}],"labels":[{{string.Join(',', r.Labels)}}]}""" + "\n"));

    /// <summary>The rows of a fixture's batch.safetensors.</summary>
    public static IEnumerable<(long[] Ids, long[] Labels)> BatchRows(string path)
    {
        using var file = SafetensorsFile.Open(path);
        int width = (int)file.Tensors["input_ids"].Shape[1];
        return [.. file.ReadInt64s("input_ids").Chunk(width).Zip(file.ReadInt64s("labels").Chunk(width))];
    }

    public static JsonElement Json(string path) => JsonDocument.Parse(File.ReadAllText(path)).RootElement;

    public static double[] Numbers(this JsonElement json, string property) => [.. json.GetProperty(property).EnumerateArray().Select(v => v.GetDouble())];

    /// <summary>‖a − b‖ / ‖b − start‖ over all tensors.</summary>
    public static double Distance(Dictionary<string, float[]> got, Dictionary<string, float[]> want, Dictionary<string, float[]> start)
    {
        Assert.Equal(want.Keys.Order(), got.Keys.Order());
        double difference = 0, update = 0;
        foreach ((string name, float[] values) in want)
            for (int i = 0; i < values.Length; i++)
            {
                difference += Math.Pow((double)got[name][i] - values[i], 2);
                update += Math.Pow((double)values[i] - start[name][i], 2);
            }
        return Math.Sqrt(difference / update);
    }

    public static double MaxDifference(float[] a, float[] b)
    {
        Assert.Equal(a.Length, b.Length);
        double most = 0;
        for (int i = 0; i < a.Length; i++)
            most = double.IsNaN(most) || Math.Abs((double)a[i] - b[i]) <= most ? most : Math.Abs((double)a[i] - b[i]);
        return most;
    }
}
