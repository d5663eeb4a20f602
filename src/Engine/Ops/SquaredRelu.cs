using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>max(x, 0)²: the activation of RWKV's channel mixing (spec/architectures.md §4.2).</summary>
    public static Tensor SquaredRelu(Tensor x) => MapNode<SquaredReluMap>.Apply("squared_relu", x, null, x.Tape!.ActivationType);
}

/// <summary>The slope is 2·max(x, 0), the root of the result.</summary>
internal readonly struct SquaredReluMap : IMap
{
    public static Kernel[] Kernels { get; } = MapKernels.Of(typeof(SquaredReluMap));

    public static double Reference(double x) => x > 0 ? x * x : 0;

    // Comparisons this way round hand a NaN on.
    public static float Of(float x) => x < 0f ? 0f : x * x;

    public static Vector<float> Of(Vector<float> x) => Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), Vector<float>.Zero, x * x);

    public static Vector512<float> Of(Vector512<float> x) => Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), Vector512<float>.Zero, x * x);

    public static float Slope(float y) => 2f * MathF.Sqrt(y);

    public static Vector<float> Slope(Vector<float> y) => Vector.SquareRoot(y) * 2f;
}
