using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>IQ4_NL: an fp16 scale d and 32 codes of 4 bits, low nibbles first, into sixteen uneven levels; y = d·level (spec/formats.md §3.2, §3.5).</summary>
internal static class IQ4_NL
{
    private const int Elements = 32, Bytes = 18;

    public static BlockFormat Format { get; } = new(DType.IQ4_NL, "IQ4_NL", 20, Elements, Bytes) { Decode = Decode };

    /// <summary>The sixteen levels.</summary>
    public static Vector128<sbyte> Levels => Vector128.Create(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = Sixteen.Half(blocks);
            Vector128<byte> q = Sixteen.Load(blocks[2..]);
            Sixteen.Scaled(Vector128.ShuffleNative(Levels, Sixteen.Low(q).AsSByte()), d, values);
            Sixteen.Scaled(Vector128.ShuffleNative(Levels, Sixteen.High(q).AsSByte()), d, values[16..]);
        }
    }
}
