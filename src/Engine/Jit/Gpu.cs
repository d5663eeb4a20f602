using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>
/// What a kernel can ask of the device. A kernel is a static method marked <see cref="KernelAttribute"/>; it runs once for each lane of
/// each group. Besides these members it may use local variables, if, for, while, ?:, static methods (generic ones and static abstract
/// members too), ref parameters, MathF and Math, bit operations and conversions, Vector4 with its operators and fields.
/// Not: objects, strings, exceptions, delegates, recursion, arrays other than <see cref="Shared{T}"/> and <see cref="Private{T}"/>.
/// Numbers are C#'s with two exceptions: overflow of int and long is undefined (what is stored in a uint or ulong wraps), and Max and Min of a NaN and a number are the number.
/// </summary>
public static class Gpu
{
    /// <summary>The group's number along the first axis of the grid.</summary>
    public static int Group => throw OnDeviceOnly();

    /// <summary>The group's number along the second axis.</summary>
    public static int GroupY => throw OnDeviceOnly();

    /// <summary>The group's number along the third axis.</summary>
    public static int GroupZ => throw OnDeviceOnly();

    /// <summary>Groups along the first axis.</summary>
    public static int Groups => throw OnDeviceOnly();

    /// <summary>The lane's number in its group.</summary>
    public static int Lane => throw OnDeviceOnly();

    /// <summary>Lanes of a group: a constant when the kernel is compiled.</summary>
    public static int Lanes => throw OnDeviceOnly();

    /// <summary>Group · Lanes + Lane.</summary>
    public static int Item => throw OnDeviceOnly();

    /// <summary>Whether T is a block-quantised element: a constant when the kernel is compiled.</summary>
    public static bool InBlocks<T>() where T : unmanaged => throw OnDeviceOnly();

    /// <summary>Waits for all lanes of the group and makes their shared and global writes seen. All lanes must come here.</summary>
    public static void Barrier() => throw OnDeviceOnly();

    /// <summary>Shared memory of <paramref name="count"/> elements, a constant after specialisation. Only in the kernel itself, not in methods that it calls.</summary>
    public static Shared<T> Shared<T>(int count) where T : unmanaged => throw OnDeviceOnly();

    /// <summary>A zeroed array of this lane with <paramref name="count"/> elements, a constant after specialisation.</summary>
    public static Private<T> Private<T>(int count) where T : unmanaged => throw OnDeviceOnly();

    /// <summary>The sum of a value over all lanes of the group, given to every lane; holds a barrier. Only in the kernel itself.</summary>
    public static float GroupSum(float value) => throw OnDeviceOnly();

    /// <summary>The largest of a value over all lanes of the group, given to every lane; holds a barrier. Only in the kernel itself.</summary>
    public static float GroupMax(float value) => throw OnDeviceOnly();

    /// <summary>Adds to a place in global or shared memory at once; returns what was there.</summary>
    public static int AtomicAdd(ref int place, int value) => throw OnDeviceOnly();

    /// <summary>Raises a place in global or shared memory to at least <paramref name="value"/>; returns what was there.</summary>
    public static int AtomicMax(ref int place, int value) => throw OnDeviceOnly();

    /// <summary>
    /// Begins to copy eight 16-bit elements to shared memory, of which both places are multiples of 16 bytes: past the registers where tensor cores
    /// are, at once elsewhere. They may be read after <see cref="CopiesDone"/> and a barrier.
    /// </summary>
    public static void CopyEight<T>(Shared<BFloat16> to, View<T> from) where T : unmanaged => throw OnDeviceOnly();

    /// <summary>Waits until everything that this lane began to copy by <see cref="CopyEight"/> has arrived.</summary>
    public static void CopiesDone() => throw OnDeviceOnly();

    /// <summary>
    /// One step of a bf16 matrix product by 32 consecutive lanes (a warp): c += a·b over 16 values of k, a: [16·rows, 16], b: [16, 8·columns],
    /// on tensor cores where the device has them and by plain loops elsewhere. Element (i, k) of a lies at a[i·aStride + k], or at
    /// a[k·aStride + i] with <paramref name="aTransposed"/>; element (k, j) of b at b[j·bStride + k], or at b[k·bStride + j] with <paramref name="bTransposed"/>.
    /// c holds rows·columns·4 values of each lane: tile (r, s) at (r·columns + s)·4, where value v of lane l of the warp is
    /// row 16·r + l/4 + 8·(v/2), column 8·s + 2·(l mod 4) + v mod 2. Strides are multiples of 8; rows, columns and the switches are constants.
    /// </summary>
    public static void WarpMultiply(Shared<BFloat16> a, int aStride, bool aTransposed, Shared<BFloat16> b, int bStride, bool bTransposed,
        Private<float> c, int rows, int columns) => throw OnDeviceOnly();

    internal static NotSupportedException OnDeviceOnly() => new("This member has a meaning only in a kernel on a device.");
}
