using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// RWKV-6's log decay −e^{w0 + x}, fp32 whatever the type of x, not bounded below (spec/architectures.md §5.1).
    /// x: [N, C]; w0: fp32 with C elements.
    /// </summary>
    public static Tensor LogDecay6(Tensor x, Tensor w0) => MapNode<LogDecay6Map>.Apply("log_decay6", x, w0, DType.F32);
}

/// <summary>ℓ = −e^ŵ is its own slope. It stays finite, so that its product with a gradient of zero is zero.</summary>
internal readonly struct LogDecay6Map : IMap
{
    // e^88.7 is the largest float; the exponential of processors stops there itself.
    private const float Most = 88f;

    public static Kernel[] Kernels { get; } = MapKernels.Of(typeof(LogDecay6Map));

    public static double Reference(double x) => -Math.Exp(x);

    public static float Of(float x) => -MathF.Exp(x > Most ? Most : x);

    public static Vector<float> Of(Vector<float> x) => -Simd.Exp(x);

    public static Vector512<float> Of(Vector512<float> x) => -Simd.Exp(x);

    public static float Slope(float y) => y;

    public static Vector<float> Slope(Vector<float> y) => y;
}
