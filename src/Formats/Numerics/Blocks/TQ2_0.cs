using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>TQ2_0: 256 codes −1, 0, 1 of 2 bits and an fp16 scale d; y = q·d (spec/formats.md §3.2).</summary>
internal static class TQ2_0
{
    private const int Elements = 256, Bytes = 66;

    public static BlockFormat Format { get; } = new(DType.TQ2_0, "TQ2_0", 35, Elements, Bytes) { Decode = Decode, Unpack = Decode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks[64..]);
            for (int part = 0; part < 4; part++)
            {
                Vector128<byte> b = Sixteen.Load(blocks[(16 * part)..]);
                int y = at + 128 * (part / 2) + 16 * (part % 2);
                for (int e = 0; e < 128; e += 32)
                {
                    to.Scaled((b & Vector128.Create((byte)3)).AsSByte() - Vector128<sbyte>.One, d, y + e);
                    b >>>= 2;
                }
            }
        }
    }
}
