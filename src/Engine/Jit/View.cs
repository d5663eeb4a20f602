using System.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>
/// A run of elements in device memory, as a kernel sees it: a pointer, no length. Elements are float, int, uint, ushort, byte,
/// <see cref="Formats.Numerics.BFloat16"/>, <see cref="Half"/>, or block-quantised: those are only read, by <see cref="Load"/> and <see cref="Load4"/>, and
/// <see cref="At"/> goes to the start of a block. Only the kernel compiler gives the members meaning; on the CPU they throw.
/// </summary>
public readonly struct View<T> where T : unmanaged
{
    /// <summary>An element, to read or write.</summary>
    public ref T this[int i] => throw Gpu.OnDeviceOnly();

    /// <summary>An element beyond 2³¹.</summary>
    public ref T this[long i] => throw Gpu.OnDeviceOnly();

    /// <summary>The view from element <paramref name="first"/> on.</summary>
    public View<T> At(long first) => throw Gpu.OnDeviceOnly();

    /// <summary>An element as fp32.</summary>
    public float Load(int i) => throw Gpu.OnDeviceOnly();

    /// <summary>Stores fp32, rounded to nearest even where T is narrower.</summary>
    public void Store(int i, float value) => throw Gpu.OnDeviceOnly();

    /// <summary>Elements i … i + 3 as fp32; the first one's place must be a multiple of four elements from the buffer's start; in blocks four neighbours cost little more than one.</summary>
    public Vector4 Load4(int i) => throw Gpu.OnDeviceOnly();

    /// <summary>Stores elements i and i + 1, at once where they are of 16 bits; i is even, counted from the buffer's start.</summary>
    public void Store2(int i, float first, float second) => throw Gpu.OnDeviceOnly();

    /// <summary>Stores elements i … i + 3; alignment as for <see cref="Load4"/>.</summary>
    public void Store4(int i, Vector4 value) => throw Gpu.OnDeviceOnly();
}
