namespace Marrow.Engine.Jit;

/// <summary>A small array of one lane, from <see cref="Gpu.Private{T}"/>: a register tile where every index is a constant after unrolling.</summary>
public readonly struct Private<T> where T : unmanaged
{
    /// <summary>An element, to read or write.</summary>
    public ref T this[int i] => throw Gpu.OnDeviceOnly();

    /// <summary>The elements from <paramref name="first"/> on.</summary>
    public Private<T> At(int first) => throw Gpu.OnDeviceOnly();
}
