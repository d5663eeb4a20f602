using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Cpu;

/// <summary>What the matrix code needs of one vector width, so that it is written once and compiled for each.</summary>
internal unsafe interface ILanes<V> where V : struct
{
    /// <summary>fp32 values in a vector.</summary>
    static abstract int Width { get; }

    /// <summary>Rows of a two-vector-wide tile whose accumulators fit the registers.</summary>
    static abstract int TileRows { get; }

    static abstract V Load(float* from);

    static abstract V Load(BFloat16* from);

    static abstract V Broadcast(float value);

    static abstract void Store(V value, float* to);

    /// <summary>a·b + c, fused where the processor can.</summary>
    static abstract V MultiplyAdd(V a, V b, V c);

    static abstract V Multiply(V a, V b);

    static abstract V Add(V a, V b);

    static abstract V Subtract(V a, V b);

    /// <summary>Of the four signed bytes in each lane the one numbered <paramref name="i"/>, as fp32.</summary>
    static abstract V FromByte(V packed, int i);

    /// <summary>The same for bytes that number the sixteen values of a table, which fills the first vectors from <paramref name="low"/> on. Not with 128-bit vectors.</summary>
    static abstract V FromTable(V packed, int i, V low, V high);

    /// <summary>The sum of the 128-bit parts.</summary>
    static abstract Vector128<float> AddParts(V value);

    /// <summary>In each 128-bit part: a0 b0 a1 b1.</summary>
    static abstract V UnpackLow(V a, V b);

    /// <summary>In each 128-bit part: a2 b2 a3 b3.</summary>
    static abstract V UnpackHigh(V a, V b);

    /// <summary>Stores the 128-bit parts, the i-th at to + i·stride.</summary>
    static abstract void StoreParts(V value, float* to, nint stride);
}

internal readonly unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    public static int Width => 16;

    public static int TileRows => 12;

    public static Vector512<float> Load(float* from) => Vector512.Load(from);

    public static Vector512<float> Load(BFloat16* from)
    {
        Vector256<ushort> half = Vector256.Load((ushort*)from);
        return (Vector512.Create(Vector256.WidenLower(half), Vector256.WidenUpper(half)) << 16).AsSingle();
    }

    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    public static void Store(Vector512<float> value, float* to) => value.Store(to);

    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);

    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    public static Vector512<float> FromByte(Vector512<float> packed, int i) => Vector512.ConvertToSingle(packed.AsInt32() << (24 - 8 * i) >> 24);

    public static Vector512<float> FromTable(Vector512<float> packed, int i, Vector512<float> low, Vector512<float> high) => Avx512F.PermuteVar16x32(low, packed.AsInt32() >>> (8 * i));

    public static Vector128<float> AddParts(Vector512<float> value) => Lanes256.AddParts(value.GetLower() + value.GetUpper());

    public static Vector512<float> UnpackLow(Vector512<float> a, Vector512<float> b) => Avx512F.UnpackLow(a, b);

    public static Vector512<float> UnpackHigh(Vector512<float> a, Vector512<float> b) => Avx512F.UnpackHigh(a, b);

    public static void StoreParts(Vector512<float> value, float* to, nint stride)
    {
        Lanes256.StoreParts(value.GetLower(), to, stride);
        Lanes256.StoreParts(value.GetUpper(), to + 2 * stride, stride);
    }
}

internal readonly unsafe struct Lanes256 : ILanes<Vector256<float>>
{
    public static int Width => 8;

    public static int TileRows => 6;

    public static Vector256<float> Load(float* from) => Vector256.Load(from);

    public static Vector256<float> Load(BFloat16* from)
    {
        Vector128<ushort> half = Vector128.Load((ushort*)from);
        return (Vector256.Create(Vector128.WidenLower(half), Vector128.WidenUpper(half)) << 16).AsSingle();
    }

    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    public static void Store(Vector256<float> value, float* to) => value.Store(to);

    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.MultiplyAddEstimate(a, b, c);

    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    public static Vector256<float> FromByte(Vector256<float> packed, int i) => Vector256.ConvertToSingle(packed.AsInt32() << (24 - 8 * i) >> 24);

    public static Vector256<float> FromTable(Vector256<float> packed, int i, Vector256<float> low, Vector256<float> high)
    {
        Vector256<int> index = packed.AsInt32() >>> (8 * i);
        return Avx.BlendVariable(Avx2.PermuteVar8x32(low, index), Avx2.PermuteVar8x32(high, index), (index << 28).AsSingle());
    }

    public static Vector128<float> AddParts(Vector256<float> value) => value.GetLower() + value.GetUpper();

    public static Vector256<float> UnpackLow(Vector256<float> a, Vector256<float> b) => Avx.UnpackLow(a, b);

    public static Vector256<float> UnpackHigh(Vector256<float> a, Vector256<float> b) => Avx.UnpackHigh(a, b);

    public static void StoreParts(Vector256<float> value, float* to, nint stride)
    {
        value.GetLower().Store(to);
        value.GetUpper().Store(to + stride);
    }
}

internal readonly unsafe struct Lanes128 : ILanes<Vector128<float>>
{
    public static int Width => 4;

    // Arm has 32 vector registers at this width, x86 has 16.
    public static int TileRows => AdvSimd.IsSupported ? 12 : 6;

    public static Vector128<float> Load(float* from) => Vector128.Load(from);

    public static Vector128<float> Load(BFloat16* from) =>
        (Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)from).AsUInt16()) << 16).AsSingle();

    public static Vector128<float> Broadcast(float value) => Vector128.Create(value);

    public static void Store(Vector128<float> value, float* to) => value.Store(to);

    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.MultiplyAddEstimate(a, b, c);

    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    public static Vector128<float> FromByte(Vector128<float> packed, int i) => Vector128.ConvertToSingle(packed.AsInt32() << (24 - 8 * i) >> 24);

    public static Vector128<float> FromTable(Vector128<float> packed, int i, Vector128<float> low, Vector128<float> high) => throw new NotSupportedException();

    public static Vector128<float> AddParts(Vector128<float> value) => value;

    public static Vector128<float> UnpackLow(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    public static Vector128<float> UnpackHigh(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);

    public static void StoreParts(Vector128<float> value, float* to, nint stride) => value.Store(to);
}

/// <summary>Sums across the lanes of vectors.</summary>
internal static class LaneSums<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>(Σ a, Σ b, Σ c, Σ d).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Four(V a, V b, V c, V d)
    {
        V ac = L.Add(L.UnpackLow(a, c), L.UnpackHigh(a, c)), bd = L.Add(L.UnpackLow(b, d), L.UnpackHigh(b, d));
        return L.AddParts(L.Add(L.UnpackLow(ac, bd), L.UnpackHigh(ac, bd)));
    }
}
