using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// RWKV-7's log decay −e^{−1/2}·σ(w0 + x), fp32 whatever the type of x: its exponential lies between 0.545 and 1 (spec/architectures.md §4.1).
    /// x: [N, C]; w0: fp32 with C elements.
    /// </summary>
    public static Tensor LogDecay7(Tensor x, Tensor w0) => MapNode<LogDecay7Map>.Apply("log_decay7", x, w0, DType.F32);
}

/// <summary>ℓ = −e^{−1/2}·σ, ℓ′ = ℓ·(1 − σ) with σ = −ℓ·e^{1/2}.</summary>
internal readonly struct LogDecay7Map : IMap
{
    private const float Fastest = 0.60653066f, Inverse = 1.6487213f;

    public static Kernel[] Kernels { get; } = MapKernels.Of(typeof(LogDecay7Map));

    public static double Reference(double x) => -Math.Exp(-0.5) / (1 + Math.Exp(-x));

    public static float Of(float x) => -Fastest / (1f + MathF.Exp(-x));

    public static Vector<float> Of(Vector<float> x) => new Vector<float>(-Fastest) / (Vector<float>.One + Simd.Exp(-x));

    public static Vector512<float> Of(Vector512<float> x) => Vector512.Create(-Fastest) / (Vector512<float>.One + Simd.Exp(-x));

    public static float Slope(float y) => y * (1f + y * Inverse);

    public static Vector<float> Slope(Vector<float> y) => y * (Vector<float>.One + y * Inverse);
}
