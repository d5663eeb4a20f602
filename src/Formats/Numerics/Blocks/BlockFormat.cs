namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Makes fp32 values of whole blocks: as many values as the blocks hold.</summary>
public delegate void BlockDecoder(ReadOnlySpan<byte> blocks, DecodedValues values);

/// <summary>Unpacks the codes and scales of whole blocks.</summary>
public delegate void BlockUnpacker(ReadOnlySpan<byte> blocks, UnpackedCodes to);

/// <summary>Makes whole blocks of fp32 values, which must be finite and within the range of the block's scale.</summary>
public delegate void BlockEncoder(ReadOnlySpan<float> values, Span<byte> blocks);

/// <summary>The layout of a block-quantised type (spec/formats.md §3). Only the file of a type knows its blocks' bytes.</summary>
/// <param name="DType">The type.</param>
/// <param name="Name">Its name in the ggml family: "Q4_K".</param>
/// <param name="Id">Its number in GGUF files; −1 where they have none.</param>
/// <param name="Elements">Elements in a block.</param>
/// <param name="Bytes">Bytes of a block.</param>
public sealed record BlockFormat(DType DType, string Name, int Id, int Elements, int Bytes)
{
    /// <summary>Decodes blocks exactly as ggml's reference does with plain fp32 arithmetic; null where the type is only listed and copied.</summary>
    public BlockDecoder? Decode { get; init; }

    /// <summary>Unpacks codes and scales, from which the values follow exactly; null where the type is only listed and copied.</summary>
    public BlockUnpacker? Unpack { get; init; }

    /// <summary>The sixteen numbers that unpacked codes stand for; empty where codes are the numbers themselves.</summary>
    public ReadOnlyMemory<float> Levels { get; init; }

    /// <summary>Encodes as ggml's reference does without fused multiply-adds; null where the type is not written.</summary>
    public BlockEncoder? Encode { get; init; }
}
