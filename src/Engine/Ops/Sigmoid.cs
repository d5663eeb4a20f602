using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>σ(x + bias) with σ(x) = 1 / (1 + e^−x). x: [N, C]; bias: fp32 with C elements, or null (spec/architectures.md §4.1: RWKV-7's rates and gates).</summary>
    public static Tensor Sigmoid(Tensor x, Tensor? bias = null) => MapNode<SigmoidMap>.Apply("sigmoid", x, bias, x.Tape!.ActivationType);
}

/// <summary>σ′ = σ·(1 − σ).</summary>
internal readonly struct SigmoidMap : IMap
{
    public static Kernel[] Kernels { get; } = MapKernels.Of(typeof(SigmoidMap));

    public static double Reference(double x) => 1 / (1 + Math.Exp(-x));

    public static float Of(float x) => 1f / (1f + MathF.Exp(-x));

    public static Vector<float> Of(Vector<float> x) => Simd.Sigmoid(x);

    public static Vector512<float> Of(Vector512<float> x) => Simd.Sigmoid(x);

    public static float Slope(float y) => y * (1f - y);

    public static Vector<float> Slope(Vector<float> y) => y * (Vector<float>.One - y);
}
