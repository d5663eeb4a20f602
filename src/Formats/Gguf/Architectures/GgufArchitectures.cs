using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>The architectures that GGUF files are read and written of. A new one adds its line here and a file of its own.</summary>
public static class GgufArchitectures
{
    /// <summary>Every architecture.</summary>
    public static IReadOnlyList<GgufArchitecture> All { get; } =
    [
        new LlamaGguf("llama"), new LlamaGguf("qwen2"), new LlamaGguf("qwen3"), new GemmaGguf("gemma2"), new GemmaGguf("gemma3"), new Rwkv6Gguf(), new Rwkv7Gguf(),
    ];

    /// <summary>The architecture of a file.</summary>
    /// <exception cref="ModelFileException">GA001 it says none, one that is not supported, or that it is no model.</exception>
    public static GgufArchitecture Of(GgufMetadata values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Text("general.type") is { } type and not "model")
            throw values.Error("GA001", "general.type", $"is '{Echo.Name(type)}': {(type == "adapter" ? "this is an adapter; give its base model here" : "this is no language model by itself")}");
        string name = values.Text("general.architecture") ?? throw values.Error("GA001", "general.architecture", "is missing; the file is not whole");
        return All.FirstOrDefault(a => a.Name == name)
            ?? throw values.Error("GA001", "general.architecture", $"'{Echo.Name(name)}' is not supported; supported are {string.Join(", ", All.Select(a => a.Name))}");
    }

    /// <summary>The architecture to write a model as.</summary>
    /// <exception cref="MarrowException">GA001 there is none for its type.</exception>
    public static GgufArchitecture For(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        string name = config.ModelType switch { "mistral" => "llama", "gemma3_text" => "gemma3", var type => type };
        return All.FirstOrDefault(a => a.Name == name)
            ?? throw new MarrowException("GA001", $"models of type '{Echo.Name(config.ModelType)}' cannot be written as GGUF; supported are {string.Join(", ", All.Select(a => a.Name))}");
    }
}
