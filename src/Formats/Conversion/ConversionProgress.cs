namespace Marrow.Formats.Conversion;

/// <summary>How far a conversion is.</summary>
/// <param name="Tensor">The tensor under way, by its name in the target.</param>
/// <param name="BytesDone">Bytes of tensors written (or, the second time round, compared).</param>
/// <param name="BytesTotal">Bytes of tensors to be written (and compared, where that was asked for).</param>
public sealed record ConversionProgress(string Tensor, long BytesDone, long BytesTotal);
