using Marrow.Formats.Gguf;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Conversion;

/// <summary>How a model is written; the defaults keep every stored type.</summary>
public sealed record ConversionOptions
{
    /// <summary>
    /// Folders, .safetensors and .pth: F32, F16 or BF16, which every floating-point tensor gets (one of less than 16 bits that is no block is refused, CV007; integers stay); null keeps the stored types. A quantised model needs it.
    /// </summary>
    public DType? StoreAs { get; init; }

    /// <summary>GGUF: the mixture of types (§3.6); null keeps the stored types, but for vectors and small matrices, which readers want as F32.</summary>
    public GgufFileType? FileType { get; init; }

    /// <summary>GGUF: the name of the tokenizer's pre-tokenizer (`tokenizer.ggml.pre`), where it is not recognised; null otherwise.</summary>
    public string? PreTokenizer { get; init; }

    /// <summary>Whether tensors that are quantised already may be quantised again, which adds the losses of both.</summary>
    public bool AllowRequantize { get; init; }

    /// <summary>Whether what stands at the target may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Folders: the most bytes of tensors in one file.</summary>
    public long MaxShardBytes { get; init; } = SafetensorsWriter.UsualShardBytes;

    /// <summary>GGUF: the most bytes of tensors in one file; null writes one file.</summary>
    public long? MaxSplitBytes { get; init; }

    /// <summary>Whether an RWKV model's folder keeps RWKV-LM's names and goes without config.json where it came without.</summary>
    public bool KeepNames { get; init; }

    /// <summary>Threads that convert; 0 takes all processors.</summary>
    public int Threads { get; init; }

    /// <summary>Told after each piece, from any thread, never from two at once.</summary>
    public Action<ConversionProgress>? Progress { get; init; }

    /// <summary>Ends the conversion early, with nothing written.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>Whether to read everything again and to compare it with what the source gives, before it takes the place of what stands at the target; where they differ (CV006), nothing is written.</summary>
    public bool Verify { get; init; }
}
