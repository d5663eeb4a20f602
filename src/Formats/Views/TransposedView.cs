using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Views;

/// <summary>
/// A small matrix, or each of several, with rows and columns exchanged. It is read whole, and kept as long as memory allows, since readers come for one
/// piece after the other. Block-quantised matrices are shown decoded, as F32: their blocks lie along the rows.
/// </summary>
internal sealed class TransposedView : TensorView
{
    /// <summary>The most bytes of a tensor: those of models that stand transposed are RWKV's of low rank, of a few MiB at most, and two copies are made.</summary>
    public const long LargestBytes = 64 << 20;

    private readonly ITensorSource _source;
    private readonly TensorInfo _stored;
    private readonly WeakReference<byte[]?> _made = new(null);

    /// <exception cref="ModelFileException">TV001 over 64 MiB, or elements that are parts of bytes.</exception>
    public TransposedView(string name, ITensorSource source, TensorInfo stored)
        : base(Shown(name, stored.DType.IsBlock() ? DType.F32 : stored.DType, [.. stored.Shape.SkipLast(2), stored.Shape[^1], stored.Shape[^2]]))
    {
        (_source, _stored) = (source, stored);
        if (Info.ByteLength > LargestBytes || Info.DType.Bits() % 8 != 0)
            throw new ModelFileException("TV001", source.Path, $"tensor '{Echo.Name(stored.Name)}' {stored.ShapeText} of {stored.DType} cannot be transposed: it has {Info.ByteLength} bytes of {LargestBytes} at most, or its elements are parts of bytes; no model of this kind has such a one, the file is damaged or badly made");
    }

    public override void Read(long byteOffset, Span<byte> destination)
    {
        if (!_made.TryGetTarget(out byte[]? bytes))
        {
            bytes = Make();
            _made.SetTarget(bytes);
        }
        bytes.AsSpan((int)byteOffset, destination.Length).CopyTo(destination);
    }

    private byte[] Make()
    {
        byte[] stored = new byte[Info.ByteLength], moved = new byte[Info.ByteLength];
        if (_stored.DType.IsBlock())
            _source.ReadFloats(_stored.Name, 0, MemoryMarshal.Cast<byte, float>(stored.AsSpan()));
        else
            _source.Read(_stored.Name, 0, stored);
        int width = Info.DType.Bits() / 8, columns = (int)_stored.Shape[^1], rows = (int)_stored.Shape[^2], matrix = rows * columns * width;
        for (int start = 0; start < stored.Length; start += matrix)
            for (int r = 0; r < rows; r++)
                for (int c = 0; c < columns; c++)
                    stored.AsSpan(start + (r * columns + c) * width, width).CopyTo(moved.AsSpan(start + (c * rows + r) * width));
        return moved;
    }
}
