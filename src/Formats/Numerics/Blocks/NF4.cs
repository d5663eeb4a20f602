using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>
/// NF4: the fp32 largest magnitude a of 64 elements and their codes of 4 bits, high nibbles first; y = level·a
/// (Dettmers et al., QLoRA, 2023; levels, thresholds and order of nibbles as in bitsandbytes). No GGUF file carries it.
/// </summary>
internal static class NF4
{
    private const int Elements = 64, Bytes = 36;

    public static BlockFormat Format { get; } = new(DType.NF4, "NF4", -1, Elements, Bytes) { Decode = Decode, Unpack = Unpack, Levels = Levels.ToArray(), Encode = Encode };

    /// <summary>The sixteen levels.</summary>
    private static ReadOnlySpan<float> Levels =>
    [
        -1f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1f,
    ];

    /// <summary>A code is the number of these that its value exceeds.</summary>
    private static ReadOnlySpan<float> Thresholds =>
    [
        -0.8480964004993439f, -0.6106329262256622f, -0.4599952697753906f, -0.33967943489551544f, -0.23460740596055984f, -0.13791173323988914f, -0.045525018125772476f,
        0.03979014977812767f, 0.1202552504837513f, 0.2035212516784668f, 0.2920137718319893f, 0.3893125355243683f, 0.5016634166240692f, 0.6427869200706482f, 0.8614784181118011f,
    ];

    private static void Decode(ReadOnlySpan<byte> blocks, DecodedValues to)
    {
        Span<float> values = to.Values;
        Span<float> scaled = stackalloc float[16];
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            TensorPrimitives.Multiply(Levels, BinaryPrimitives.ReadSingleLittleEndian(blocks), scaled);
            if (Vector512.IsHardwareAccelerated)
            {
                Vector512<float> table = Vector512.Create<float>(scaled);
                for (int i = 0; i < 32; i += 8)
                {
                    Vector512<int> codes = Vector512.WidenLower(Vector256.WidenLower(Codes(blocks[(4 + i)..]).ToVector256Unsafe()).ToVector512Unsafe()).AsInt32();
                    Vector512.ShuffleNative(table, codes).CopyTo(values[(2 * i)..]);
                }
            }
            else
            {
                for (int i = 0; i < 32; i++)
                {
                    int b = blocks[4 + i];
                    values[2 * i] = scaled[b >> 4];
                    values[2 * i + 1] = scaled[b & 15];
                }
            }
        }
    }

    private static void Unpack<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float largest = BinaryPrimitives.ReadSingleLittleEndian(blocks);
            for (int i = 0; i < 32; i += 8)
                to.Scaled(Codes(blocks[(4 + i)..]).AsSByte(), largest, at + 2 * i);
        }
    }

    /// <summary>The sixteen codes of eight bytes.</summary>
    private static Vector128<byte> Codes(ReadOnlySpan<byte> at)
    {
        Vector128<ushort> bytes = Vector128.WidenLower(Vector128.CreateScalarUnsafe(BinaryPrimitives.ReadUInt64LittleEndian(at)).AsByte());
        return (bytes >>> 4 | (bytes & Vector128.Create((ushort)15)) << 8).AsByte();
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        Span<byte> codes = stackalloc byte[Elements];
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float largest = MathF.Max(MathF.Abs(SixteenCodes.Largest32(values)), MathF.Abs(SixteenCodes.Largest32(values[32..])));
            float inverse = SixteenCodes.Inverse(largest);
            BinaryPrimitives.WriteSingleLittleEndian(blocks, largest);
            for (int i = 0; i < Elements; i += 16)
                SixteenCodes.Rank(values[i..], inverse, Thresholds, reached: false).CopyTo(codes[i..]);
            for (int i = 0; i < 32; i += 8)
            {
                Vector128<ushort> pairs = Sixteen.Load(codes[(2 * i)..]).AsUInt16();
                Vector128<ushort> packed = pairs << 4 | pairs >>> 8;
                Vector128.Narrow(packed & Vector128.Create((ushort)0xFF), Vector128<ushort>.Zero).GetLower().CopyTo(blocks[(4 + i)..]);
            }
        }
    }
}
