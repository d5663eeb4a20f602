namespace Marrow.Formats.Conversion;

/// <summary>The kinds of model files that are written.</summary>
public enum ModelKind
{
    /// <summary>A Hugging Face folder: config.json, tokenizer files, safetensors (spec/formats.md §6.1).</summary>
    HuggingFace,

    /// <summary>One .safetensors file with the weights alone.</summary>
    Safetensors,

    /// <summary>A GGUF file, or several (§2).</summary>
    Gguf,

    /// <summary>RWKV's checkpoint, a .pth file (§4.4).</summary>
    Pth,
}
