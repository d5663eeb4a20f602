using Marrow.Formats.Numerics;

namespace Marrow.Formats;

/// <summary>What a file says of one tensor.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="DType">Its stored element type.</param>
/// <param name="Shape">Its dimensions, slowest first (row-major); empty for a scalar.</param>
/// <param name="ByteLength">Its stored size.</param>
public sealed record TensorInfo(string Name, DType DType, IReadOnlyList<long> Shape, long ByteLength)
{
    /// <summary>The number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (n, d) => checked(n * d));

    /// <summary>The shape as "[2,3]".</summary>
    public string ShapeText => $"[{string.Join(',', Shape)}]";
}

/// <summary>
/// A named, lazily read set of tensors: the one face of every model and adapter file. Nothing is read or converted
/// before it is asked for. Safe for concurrent reads.
/// </summary>
public interface ITensorSource : IDisposable
{
    /// <summary>Where the tensors come from (file or folder), for messages.</summary>
    string Path { get; }

    /// <summary>Every tensor by name.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The file's own key-value notes; empty when it has none.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads stored bytes of tensor <paramref name="name"/> from <paramref name="byteOffset"/> on, filling <paramref name="destination"/>.</summary>
    /// <exception cref="ModelFileException">No such tensor, or the range lies outside it.</exception>
    void Read(string name, long byteOffset, Span<byte> destination);
}
