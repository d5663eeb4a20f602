using Marrow.Formats.Numerics;

namespace Marrow.Formats.Conversion;

/// <summary>One tensor that was written.</summary>
/// <param name="Name">Its name in the target.</param>
/// <param name="Shape">Its dimensions there, slowest first.</param>
/// <param name="From">The type that it came in.</param>
/// <param name="To">The type that it was written in.</param>
/// <param name="Fallback">Why it did not get the type that was meant for it, a sentence; null where it did.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Exact">Whether no value changed.</param>
/// <param name="RelativeError">The root of the mean square error over that of the values; null where it is exact, or there is no such number. What rounding to fp32 on the way lost (Gemma's norms with their 1) is not in it.</param>
public sealed record ConvertedTensor(string Name, IReadOnlyList<long> Shape, DType From, DType To, string? Fallback, long Bytes, bool Exact, double? RelativeError);
