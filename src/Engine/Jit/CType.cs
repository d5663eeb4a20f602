using System.Numerics;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>The element and value types of kernels. bf16 and fp16 exist in storage only, as 16-bit words; so do blocks, as bytes behind a pointer.</summary>
internal enum Scalar
{
    Void, Int, UInt, Long, ULong, Float, Float4, Byte, SByte, UShort, Short, BFloat16, Half, Block,
}

/// <summary>Where a pointer points; <see cref="Value"/> for what is no pointer.</summary>
internal enum Space
{
    Value, Global, Shared, Private,
}

/// <summary>A value's type, or a pointer's with its address space.</summary>
internal readonly record struct CType(Scalar Scalar, Space Space = Space.Value)
{
    public static readonly CType Int = new(Scalar.Int), Float = new(Scalar.Float), Void = new(Scalar.Void);

    /// <summary>Of a pointer to block-quantised elements their type.</summary>
    public DType? Block { get; init; }

    public bool IsPointer => Space != Space.Value;

    public CType Element => new(Scalar);

    public bool IsFloat => Space == Space.Value && Scalar == Scalar.Float;

    public bool Is64 => Space == Space.Value && Scalar is Scalar.Long or Scalar.ULong;

    public bool IsUnsigned => Space == Space.Value && Scalar is Scalar.UInt or Scalar.ULong;

    public bool IsInteger => Space == Space.Value && Scalar is not (Scalar.Void or Scalar.Float or Scalar.Float4 or Scalar.BFloat16 or Scalar.Half or Scalar.Block);

    public int Bytes => Scalar switch
    {
        Scalar.Byte or Scalar.SByte or Scalar.Block => 1,
        Scalar.UShort or Scalar.Short or Scalar.BFloat16 or Scalar.Half => 2,
        Scalar.Long or Scalar.ULong => 8,
        Scalar.Float4 => 16,
        _ => 4,
    };

    /// <summary>The type that a .NET type has in a kernel; null where it has none. The space of a reference is known only where it is made.</summary>
    public static CType? Of(Type type)
    {
        if (type.IsByRef)
            return Of(type.GetElementType()!) is { IsPointer: false } referred ? new(referred.Scalar, Space.Private) : null;
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(View<>) && BlockElements.TypeOf(type.GetGenericArguments()[0]) is { } block)
            return new(Scalar.Block, Space.Global) { Block = block };
        if (type.IsGenericType && Of(type.GetGenericArguments()[0]) is { IsPointer: false } element)
        {
            Type open = type.GetGenericTypeDefinition();
            Space space = open == typeof(View<>) ? Space.Global : open == typeof(Shared<>) ? Space.Shared : open == typeof(Private<>) ? Space.Private : Space.Value;
            // A bool is an int in kernels, but one byte in a tensor.
            return space == Space.Value || (space == Space.Global && type.GetGenericArguments()[0] == typeof(bool)) ? null : new(element.Scalar, space);
        }
        Scalar? scalar = type switch
        {
            _ when type == typeof(void) => Scalar.Void,
            _ when type == typeof(int) || type == typeof(bool) => Scalar.Int,
            _ when type == typeof(uint) => Scalar.UInt,
            _ when type == typeof(long) => Scalar.Long,
            _ when type == typeof(ulong) => Scalar.ULong,
            _ when type == typeof(float) => Scalar.Float,
            _ when type == typeof(Vector4) => Scalar.Float4,
            _ when type == typeof(byte) => Scalar.Byte,
            _ when type == typeof(sbyte) => Scalar.SByte,
            _ when type == typeof(ushort) => Scalar.UShort,
            _ when type == typeof(short) => Scalar.Short,
            _ when type == typeof(BFloat16) => Scalar.BFloat16,
            _ when type == typeof(Half) => Scalar.Half,
            _ => null,
        };
        return scalar is { } known ? new(known) : null;
    }

    /// <summary>The .NET element type that a view of a tensor of this type has.</summary>
    public static Type? ElementOf(DType type) => type switch
    {
        DType.F32 => typeof(float),
        DType.BF16 => typeof(BFloat16),
        DType.F16 => typeof(Half),
        DType.I32 => typeof(int),
        DType.U32 => typeof(uint),
        DType.U8 => typeof(byte),
        _ => BlockElements.ElementOf(type),
    };
}
