using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>tanh(x): what RWKV's decay and token shift put between their low-rank factors (spec/architectures.md §4.1, §5.1).</summary>
    public static Tensor Tanh(Tensor x) => MapNode<TanhMap>.Apply("tanh", x, null, x.Tape!.ActivationType);
}

/// <summary>tanh′ = 1 − tanh².</summary>
internal readonly struct TanhMap : IMap
{
    public static Kernel[] Kernels { get; } = MapKernels.Of(typeof(TanhMap));

    public static double Reference(double x) => Math.Tanh(x);

    public static float Of(float x) => MathF.Tanh(x);

    public static Vector<float> Of(Vector<float> x) => Simd.Tanh(x);

    public static Vector512<float> Of(Vector512<float> x) => Simd.Tanh(x);

    public static float Slope(float y) => 1f - y * y;

    public static Vector<float> Slope(Vector<float> y) => Vector<float>.One - y * y;
}
