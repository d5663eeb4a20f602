using System.Text.Json;
using System.Text.Json.Nodes;

namespace Marrow.Formats.HuggingFace;

/// <summary>The quantization_config of a config.json: how the weights beside it are stored.</summary>
internal static class StoredQuantisation
{
    private const string Section = "quantization_config";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>Refuses what is not read: all but bitsandbytes' NF4.</summary>
    /// <exception cref="ModelFileException">HF007 stored by another method, or in another type.</exception>
    public static void Check(JsonFields config)
    {
        if (config.Object(Section) is not { } quantised)
            return;
        string method = quantised.Text("quant_method") ?? (quantised.Has("load_in_4bit") || quantised.Has("load_in_8bit") ? "bitsandbytes" : "unknown");
        if (method != "bitsandbytes")
            throw config.Error("HF007", Section, $"says that the model is stored quantised (method {Echo.Name(method)}); use the original, unquantised model, a .gguf file, or one that bitsandbytes stored as NF4");
        string type = quantised.Flag("load_in_8bit") == true || quantised.Flag("_load_in_8bit") == true ? "int8" : quantised.Text("bnb_4bit_quant_type") ?? "fp4";
        if (type != "nf4")
            throw config.Error("HF007", Section, $"says that bitsandbytes stored the model as {Echo.Name(type)}, of whose types only nf4 is read; use the original, unquantised model, or one stored as nf4");
    }

    /// <summary>The text of a config.json for weights that are not stored so any more.</summary>
    public static string Without(string json)
    {
        if (!json.Contains(Section, StringComparison.Ordinal) || JsonNode.Parse(json.TrimStart('\uFEFF')) is not JsonObject fields || !fields.Remove(Section))
            return json;
        return fields.ToJsonString(Indented) + "\n";
    }
}
