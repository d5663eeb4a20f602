using System.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>Memory that the lanes of one group share, from <see cref="Gpu.Shared{T}"/>. Members as those of <see cref="View{T}"/>.</summary>
public readonly struct Shared<T> where T : unmanaged
{
    /// <summary>An element, to read or write.</summary>
    public ref T this[int i] => throw Gpu.OnDeviceOnly();

    /// <summary>The elements from <paramref name="first"/> on.</summary>
    public Shared<T> At(int first) => throw Gpu.OnDeviceOnly();

    /// <summary>An element as fp32.</summary>
    public float Load(int i) => throw Gpu.OnDeviceOnly();

    /// <summary>Stores fp32, rounded to nearest even where T is narrower.</summary>
    public void Store(int i, float value) => throw Gpu.OnDeviceOnly();

    /// <summary>Elements i … i + 3 as fp32; i is a multiple of four.</summary>
    public Vector4 Load4(int i) => throw Gpu.OnDeviceOnly();

    /// <summary>Stores elements i … i + 3; i is a multiple of four.</summary>
    public void Store4(int i, Vector4 value) => throw Gpu.OnDeviceOnly();
}
