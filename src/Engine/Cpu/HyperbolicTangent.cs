using System.Numerics;
using System.Runtime.CompilerServices;

namespace Marrow.Engine.Cpu;

/// <summary>tanh on the processor's vectors, fp32, to about one unit in the last place.</summary>
internal static class HyperbolicTangent
{
    /// <summary>tanh of each element: x + x³·p(x²) below 0.625, 1 − 2 / (e^2|x| + 1) with x's sign above.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Of(Vector<float> x)
    {
        Vector<float> z = x * x, magnitude = Vector.Abs(x);
        Vector<float> p = new(-5.7049538e-3f);
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(2.06390545e-2f));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(-5.37397042e-2f));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(1.33314416e-1f));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(-3.33332807e-1f));
        Vector<float> near = Vector.FusedMultiplyAdd(x * z, p, x);
        Vector<float> far = Vector<float>.One - new Vector<float>(2f) / (Simd.Exp(magnitude + magnitude) + Vector<float>.One);
        Vector<float> sign = Vector.BitwiseAnd(x, new Vector<float>(-0f));
        return Vector.ConditionalSelect(Vector.LessThan(magnitude, new Vector<float>(0.625f)), near, Vector.BitwiseOr(far, sign));
    }

    /// <summary>The scalar twin, for row ends.</summary>
    public static float Of(float x) => Of(new Vector<float>(x))[0];
}
