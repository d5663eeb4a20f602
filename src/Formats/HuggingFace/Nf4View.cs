using System.Buffers;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;
using Marrow.Formats.Views;

namespace Marrow.Formats.HuggingFace;

/// <summary>Where the scales of a tensor's blocks are: stored as floats, or as codes of levels that have scales and a mean of their own (QLoRA, arXiv 2305.14314, §3).</summary>
/// <param name="Name">The tensor of scales, or of their codes.</param>
/// <param name="Levels">The levels of the codes; null where scales are floats.</param>
/// <param name="Outer">The tensor of the scales' scales.</param>
/// <param name="Group">Scales that share one.</param>
/// <param name="Mean">What was taken from the scales before.</param>
internal sealed record Nf4Scales(string Name, float[]? Levels, string? Outer, int Group, float Mean)
{
    /// <summary>The fp32 scales from a block on.</summary>
    public void Read(ITensorSource source, long first, Span<float> scales)
    {
        if (Levels is null)
        {
            source.ReadFloats(Name, first, scales);
            return;
        }
        long group = first / Group, groups = (first + scales.Length - 1) / Group - group + 1;
        byte[] codes = ArrayPool<byte>.Shared.Rent(scales.Length);
        float[] outer = ArrayPool<float>.Shared.Rent((int)groups);
        try
        {
            source.Read(Name, first, codes.AsSpan(0, scales.Length));
            source.ReadFloats(Outer!, group, outer.AsSpan(0, (int)groups));
            for (int i = 0; i < scales.Length; i++)
                scales[i] = Levels[codes[i]] * outer[(first + i) / Group - group] + Mean;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(codes);
            ArrayPool<float>.Shared.Return(outer);
        }
    }
}

/// <summary>A matrix whose 4-bit codes and scales are stored apart, as blocks of both.</summary>
internal sealed class Nf4View(TensorInfo info, ITensorSource source, string codes, Nf4Scales scales) : TensorView(info)
{
    private const int BlockBytes = 36, CodeBytes = 32, PieceBlocks = 1 << 11;

    public override void Read(long byteOffset, Span<byte> destination)
    {
        byte[] stored = ArrayPool<byte>.Shared.Rent(PieceBlocks * CodeBytes), made = ArrayPool<byte>.Shared.Rent(PieceBlocks * BlockBytes);
        float[] each = ArrayPool<float>.Shared.Rent(PieceBlocks);
        try
        {
            for (int at = 0; at < destination.Length;)
            {
                (long block, long skip) = Math.DivRem(byteOffset + at, BlockBytes);
                int count = (int)Math.Min(PieceBlocks, (skip + destination.Length - at + BlockBytes - 1) / BlockBytes);
                source.Read(codes, block * CodeBytes, stored.AsSpan(0, count * CodeBytes));
                scales.Read(source, block, each.AsSpan(0, count));
                for (int i = 0; i < count; i++)
                {
                    MemoryMarshal.Write(made.AsSpan(i * BlockBytes), each[i]);
                    stored.AsSpan(i * CodeBytes, CodeBytes).CopyTo(made.AsSpan(i * BlockBytes + sizeof(float)));
                }
                int bytes = (int)Math.Min(count * BlockBytes - skip, destination.Length - at);
                made.AsSpan((int)skip, bytes).CopyTo(destination[at..]);
                at += bytes;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
            ArrayPool<byte>.Shared.Return(made);
            ArrayPool<float>.Shared.Return(each);
        }
    }
}
