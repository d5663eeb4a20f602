using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine;

/// <summary>Values that are stored in quantised blocks.</summary>
public sealed partial class Tensor
{
    /// <summary>The blocks on the CPU. Only for tensors of a block type on the CPU device.</summary>
    public unsafe byte* Blocks => DType.IsBlock() ? (byte*)(Buffer.Handle + Offset)
        : throw new InvalidOperationException($"A tensor of type {DType} was read as blocks.");

    /// <summary>Copies values of a tensor on the CPU as fp32, without a detour; of a block type only whole blocks. For op bodies.</summary>
    internal unsafe void Widen(long first, int count, float* to)
    {
        var values = new Span<float>(to, count);
        if (DType == DType.BF16)
        {
            BFloat16.Widen(new ReadOnlySpan<BFloat16>(BF16 + first, count), values);
        }
        else if (DType.IsBlock())
        {
            BlockFormat format = BlockFormats.Of(DType);
            format.Decode!(new ReadOnlySpan<byte>(Blocks + DType.Bytes(first), checked((int)DType.Bytes(count))), values);
        }
        else
        {
            new ReadOnlySpan<float>(F32 + first, count).CopyTo(values);
        }
    }

    // Ranges may start and end inside a block: whole blocks are decoded beside them.
    private void ReadBlocks(Span<float> values, long first)
    {
        if (first < 0 || first + values.Length > Shape.Count)
            throw new ArgumentOutOfRangeException(nameof(first), $"{values.Length} values from {first} on of {this}");
        BlockFormat format = BlockFormats.Of(DType);
        if (format.Decode is not { } decode)
            throw new InvalidOperationException($"{this} cannot be decoded here.");
        int each = format.Elements, most = (Math.Min(values.Length, PieceElements) + 2 * each - 1) / each;
        var stored = new byte[most * format.Bytes];
        var decoded = new float[most * each];
        for (int at = 0; at < values.Length;)
        {
            (long block, long skip) = Math.DivRem(first + at, each);
            int count = Math.Min(PieceElements, values.Length - at), blocks = ((int)skip + count + each - 1) / each;
            Span<byte> bytes = stored.AsSpan(0, blocks * format.Bytes);
            Device.Download(Buffer, Offset + block * format.Bytes, bytes);
            decode(bytes, decoded.AsSpan(0, blocks * each));
            decoded.AsSpan((int)skip, count).CopyTo(values[at..]);
            at += count;
        }
    }
}
