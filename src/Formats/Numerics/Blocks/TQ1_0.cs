using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>TQ1_0: 256 codes −1, 0, 1, five to a byte in base 3, and an fp16 scale d; y = q·d (spec/formats.md §3.2).</summary>
internal static class TQ1_0
{
    private const int Elements = 256, Bytes = 54;

    public static BlockFormat Format { get; } = new(DType.TQ1_0, "TQ1_0", 34, Elements, Bytes) { Decode = Decode, Unpack = Decode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks[52..]);
            for (int part = 0; part < 3; part++)
            {
                // The first 32 bytes go through their digits together, the next 16 by themselves.
                Vector128<byte> b = Sixteen.Load(blocks[(16 * part)..]);
                int first = part < 2 ? 16 * part : 160, step = part < 2 ? 32 : 16;
                for (int digit = 0; digit < 5; digit++)
                {
                    to.Scaled(Digit(b), d, at + first + step * digit);
                    b += b + b;
                }
            }
            Vector128<byte> last = Vector128.Create(BinaryPrimitives.ReadUInt32LittleEndian(blocks[48..])).AsByte();
            to.Scaled(Digit(last * Vector128.Create((byte)1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27)), d, at + 240);
        }
    }

    /// <summary>The leading base-3 digit of every byte, less one: bytes are fractions of 256.</summary>
    private static Vector128<sbyte> Digit(Vector128<byte> b) =>
        Vector128.Create((sbyte)-1) - Vector128.GreaterThanOrEqual(b, Vector128.Create((byte)86)).AsSByte() - Vector128.GreaterThanOrEqual(b, Vector128.Create((byte)171)).AsSByte();
}
