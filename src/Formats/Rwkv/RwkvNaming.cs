namespace Marrow.Formats.Rwkv;

/// <summary>How a Hugging Face folder names RWKV's tensors where it does not do so as RWKV-LM.</summary>
public enum RwkvNaming
{
    /// <summary>flash-linear-attention's RWKV-7 (spec/architectures.md §4.3).</summary>
    Fla7,

    /// <summary>flash-linear-attention's RWKV-6 (§5.2).</summary>
    Fla6,

    /// <summary>RWKV-6 as the RWKV organisation publishes it (§5.2): other names, the same shapes.</summary>
    HuggingFace6,
}
