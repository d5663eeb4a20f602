using System.Buffers.Binary;
using System.Text;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Tests.RwkvCpp;

/// <summary>Puts rwkv.cpp's files together field by field, so that they may be wrong.</summary>
internal sealed class RawRwkvCpp
{
    private readonly List<byte> _tensors = [];

    public int Version { get; init; } = 101;

    public int Tokens { get; init; } = 7;

    public int Channels { get; init; } = 4;

    /// <summary>Adds a tensor; the sizes stand fastest first. Its values are zeros where none are given.</summary>
    public RawRwkvCpp Tensor(string name, int type, int[] sizes, byte[]? data = null, int? dimensions = null, int? nameLength = null)
    {
        byte[] text = Encoding.UTF8.GetBytes(name);
        foreach (int number in (int[])[dimensions ?? sizes.Length, nameLength ?? text.Length, type, .. sizes])
            Int(_tensors, number);
        _tensors.AddRange(text);
        _tensors.AddRange(data ?? Zeros(type, sizes));
        return this;
    }

    public byte[] Bytes()
    {
        List<byte> file = [];
        foreach (int number in (int[])[0x67676D66, Version, Tokens, Channels, 1, 0])
            Int(file, number);
        return [.. file, .. _tensors];
    }

    public static int TypeOf(DType type) => type switch { DType.F32 => 0, DType.F16 => 1, DType.Q5_0 => 7, DType.Q5_1 => 8, _ => throw new ArgumentOutOfRangeException(nameof(type)) };

    private static byte[] Zeros(int type, int[] sizes)
    {
        long count = sizes.Aggregate(1L, (n, d) => n is < 0 or > 1 << 20 ? n : n * d);
        return count is < 1 or > 1 << 16 ? [] : type switch { 0 => new byte[4 * count], 1 => new byte[2 * count], 7 => new byte[count / 32 * BlockFormats.Of(DType.Q5_0).Bytes], _ => [] };
    }

    private static void Int(List<byte> to, int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        to.AddRange(bytes);
    }
}
