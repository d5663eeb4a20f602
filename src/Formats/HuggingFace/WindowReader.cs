namespace Marrow.Formats.HuggingFace;

/// <summary>Resolves the sliding window of each layer as the model classes do (spec/architectures.md §2.8).</summary>
internal static class WindowReader
{
    private const int MostTokens = 1 << 30;
    private const int UsualWindow = 4096;
    private const int UsualFullLayers = 28;
    private const int UsualPattern = 6;
    private const string Full = "full_attention";
    private const string Sliding = "sliding_attention";

    public static IReadOnlyList<int?> Read(JsonFields config, string type, int layers)
    {
        int? window = (int?)config.Integer("sliding_window", 1, MostTokens, "HF011");
        if (window is null && !config.Contains("sliding_window") && type != "llama")
            window = UsualWindow;
        IReadOnlyList<string>? layerTypes = LayerTypes(config, layers);
        switch (type)
        {
            case "llama":
                // The llama class attends in full whatever these keys say; a layer list that asks for more is a contradiction.
                return layerTypes?.Contains(Sliding) == true
                    ? throw config.Error("HF011", "layer_types", "asks for sliding attention, which model_type llama does not have") : [];
            case "mistral":
                return window is null ? [] : [.. Enumerable.Repeat(window, layers)];
        }
        if (type is "gemma2" or "gemma3_text")
        {
            // Every second layer of Gemma-2 attends in full, the last of every six of Gemma-3.
            long pattern = type == "gemma2" ? 2 : Pattern(config) ?? UsualPattern;
            return window is null && layerTypes?.Contains(Sliding) != false ? throw config.Error("HF011", "sliding_window", "is null, but layers slide")
                : [.. Enumerable.Range(0, layers).Select(i => (layerTypes is null ? (i + 1) % pattern != 0 : layerTypes[i] == Sliding) ? window : null)];
        }
        if (config.Flag("use_sliding_window") != true)
            window = null;
        long firstSliding = config.Integer("max_window_layers", 0, MostTokens, "HF011") ?? UsualFullLayers;
        if (layerTypes is null)
            return window is null ? [] : [.. Enumerable.Range(0, layers).Select(i => i >= firstSliding ? window : null)];
        if (layerTypes.Contains(Sliding) && window is null)
            throw config.Error("HF011", "layer_types", "asks for sliding attention, but 'sliding_window' is null or 'use_sliding_window' is false");
        return [.. layerTypes.Select(t => t == Sliding ? window : null)];
    }

    private static long? Pattern(JsonFields config) =>
        config.Integer("sliding_window_pattern", 1, MostTokens, "HF011") ?? config.Integer("_sliding_window_pattern", 1, MostTokens, "HF011");

    private static IReadOnlyList<string>? LayerTypes(JsonFields config, int layers)
    {
        if (config.Texts("layer_types") is not { } types)
            return null;
        if (types.Count != layers)
            throw config.Error("HF011", "layer_types", $"has {types.Count} entries for {layers} layers");
        return types.FirstOrDefault(t => t is not (Full or Sliding)) is { } unknown
            ? throw config.Error("HF011", "layer_types", $"holds '{Echo.Name(unknown)}'; supported are {Full}, {Sliding}") : types;
    }
}
