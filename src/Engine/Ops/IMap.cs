using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>A function of one value, as data for <see cref="MapNode{TMap}"/>: its forms on processors and in kernels, and its slope given its own result.</summary>
internal interface IMap
{
    /// <summary>The kernels made for this map: see <see cref="MapKernels.Of"/>.</summary>
    static abstract Kernel[] Kernels { get; }

    /// <summary>f(x) in double precision.</summary>
    static abstract double Reference(double x);

    /// <summary>f(x) in kernels.</summary>
    static abstract float Of(float x);

    /// <summary>f(x) on processors.</summary>
    static abstract Vector<float> Of(Vector<float> x);

    /// <inheritdoc cref="Of(Vector{float})"/>
    static abstract Vector512<float> Of(Vector512<float> x);

    /// <summary>f′(x) where f(x) is <paramref name="y"/>, in kernels.</summary>
    static abstract float Slope(float y);

    /// <summary>f′(x) where f(x) is <paramref name="y"/>, on processors.</summary>
    static abstract Vector<float> Slope(Vector<float> y);
}
