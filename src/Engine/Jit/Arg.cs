using System.Runtime.CompilerServices;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>An argument of a launch: a tensor, no tensor, or a number.</summary>
internal readonly struct Arg
{
    private Arg(Tensor? tensor, long first, ulong bits) => (Tensor, First, Bits) = (tensor, first, bits);

    /// <summary>The tensor; null where a view is absent or the argument is a number.</summary>
    public Tensor? Tensor { get; }

    /// <summary>The element of the tensor at which the view starts.</summary>
    public long First { get; }

    /// <summary>A number's bits, in the low bytes.</summary>
    public ulong Bits { get; }

    /// <summary>A tensor from element <paramref name="first"/> on.</summary>
    public static Arg At(Tensor tensor, long first) => new(tensor, first, 0);

    /// <summary>The first byte's place in the tensor's buffer, where the kernel's elements have <paramref name="elementBytes"/> bytes. Blocks are bytes to a kernel.</summary>
    public long ByteOffset(int elementBytes) => Tensor!.Offset + (Tensor.DType.IsBlock() ? Tensor.DType.Bytes(First) : First * elementBytes);

    public static implicit operator Arg(Tensor? tensor) => new(tensor, 0, 0);

    public static implicit operator Arg(int value) => new(null, 0, (uint)value);

    public static implicit operator Arg(uint value) => new(null, 0, value);

    public static implicit operator Arg(long value) => new(null, 0, (ulong)value);

    public static implicit operator Arg(ulong value) => new(null, 0, value);

    public static implicit operator Arg(float value) => new(null, 0, BitConverter.SingleToUInt32Bits(value));

    public static implicit operator Arg(bool value) => new(null, 0, value ? 1u : 0u);
}

/// <summary>How many groups of how many lanes run a kernel.</summary>
/// <param name="Lanes">Lanes of a group.</param>
/// <param name="X">Groups along the first axis.</param>
/// <param name="Y">Groups along the second axis.</param>
/// <param name="Z">Groups along the third axis.</param>
internal readonly record struct Grid(int Lanes, int X, int Y = 1, int Z = 1)
{
    /// <summary>Groups enough for one lane for each of <paramref name="items"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Grid Over(long items, int lanes) => new(lanes, checked((int)((items + lanes - 1) / lanes)));
}
