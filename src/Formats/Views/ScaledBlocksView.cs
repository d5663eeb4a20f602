using System.Buffers;
using System.Buffers.Binary;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Views;

/// <summary>Block-quantised values times a power of two, by their blocks' scales (<see cref="BlockScales"/>): nothing is rounded, the type stays.</summary>
internal sealed class ScaledBlocksView(TensorInfo info, ITensorSource source, string stored, float factor) : TensorView(info)
{
    private const int PieceBytes = 1 << 16;

    private readonly int _block = BlockFormats.Of(info.DType).Bytes;

    public override void Read(long byteOffset, Span<byte> destination)
    {
        int most = Math.Max(1, PieceBytes / _block);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(most * _block);
        try
        {
            for (int at = 0; at < destination.Length;)
            {
                (long block, long skip) = Math.DivRem(byteOffset + at, _block);
                Span<byte> blocks = buffer.AsSpan(0, _block * (int)Math.Min(most, (skip + destination.Length - at + _block - 1) / _block));
                source.Read(stored, block * _block, blocks);
                Scale(blocks);
                int count = (int)Math.Min(blocks.Length - skip, destination.Length - at);
                blocks.Slice((int)skip, count).CopyTo(destination[at..]);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Scale(Span<byte> blocks)
    {
        ReadOnlySpan<int> places = BlockScales.HalvesOf(Info.DType);
        for (int start = 0; start < blocks.Length; start += _block)
            foreach (int place in places)
            {
                Span<byte> at = blocks[(start + place)..];
                float scaled = (float)BinaryPrimitives.ReadHalfLittleEndian(at) * factor;
                var half = (Half)scaled;
                if ((float)half != scaled && !float.IsNaN(scaled))
                    throw new ModelFileException("TV003", source.Path, $"tensor '{Echo.Name(stored)}' {Info.ShapeText} of {Info.DType} has a scale that cannot be multiplied by {factor} exactly; "
                        + "take the file of another type (F16, BF16)");
                BinaryPrimitives.WriteHalfLittleEndian(at, half);
            }
    }
}
