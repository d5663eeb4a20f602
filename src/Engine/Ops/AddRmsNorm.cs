using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// sum = a + b and y = <see cref="RmsNorm"/>(sum): the residual and the norm behind it, on kernel devices in one pass over memory.
    /// a, b: [N, g·n] of one shape, w: [n] fp32.
    /// </summary>
    public static Tensor AddRmsNorm(Tensor a, Tensor b, Tensor w, float eps, out Tensor sum, float offset = 0f)
    {
        if (a.Device is not KernelDevice gpu)
        {
            sum = Add(a, b);
            return RmsNorm(sum, w, eps, offset);
        }
        Check.Shapes("add_rms_norm", a, b);
        Check.Activation("add_rms_norm", a, "a");
        Check.Activation("add_rms_norm", b, "b");
        Check.Type("add_rms_norm", w, "w", DType.F32);
        int n = w.Shape.Elements;
        Check.True("add_rms_norm", n > 0 && a.Shape.Last % n == 0, $"w is {w}, its length must divide the last dimension of a ({a}).");
        Tape tape = a.Tape!;
        sum = tape.NewActivation(a.Shape);
        Tensor y = tape.NewActivation(a.Shape), rstd = tape.New(new Shape((int)(a.Shape.Count / n)));
        AddRmsNormKernel.Launch(gpu, a, b, w, sum, y, rstd, n, eps, offset);
        // Backward is that of the two ops it stands for.
        if (tape.Tracks(a, b))
        {
            var add = tape.Rent<AddNode>();
            (add.A, add.B) = (a, b);
            tape.Record(add, sum);
        }
        if (tape.Tracks(sum, w))
        {
            var norm = tape.Rent<RmsNormNode>();
            (norm.X, norm.W, norm.Rstd, norm.Offset) = (norm.Save(sum), w, norm.Save(rstd), offset);
            tape.Record(norm, y);
        }
        return y;
    }
}

/// <summary>The fused kernel; a group takes one row of n.</summary>
internal static class AddRmsNormKernel
{
    private static readonly Kernel Rows = Kernel.Of(typeof(AddRmsNormKernel), nameof(RowKernel));

    public static void Launch(KernelDevice gpu, Tensor a, Tensor b, Tensor w, Tensor sum, Tensor y, Tensor rstd, int n, float eps, float offset) =>
        gpu.Launch(Rows, new Grid(gpu.LanesFor(n), rstd.Shape.Elements), a, b, w, sum, y, rstd, n, Quads.InRows(n, a, b, w, sum, y), eps, offset);

    [Kernel]
    private static void RowKernel<TA, TB, TY>(View<TA> allA, View<TB> allB, View<float> w, View<TY> allSums, View<TY> allY, View<float> rstd, int n, int quads, float eps, float offset)
        where TA : unmanaged where TB : unmanaged where TY : unmanaged
    {
        View<TA> a = allA.At((long)Gpu.Group * n);
        View<TB> b = allB.At((long)Gpu.Group * n);
        View<TY> sum = allSums.At((long)Gpu.Group * n), y = allY.At((long)Gpu.Group * n);
        float square = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            sum.Store4(4 * q, a.Load4(4 * q) + b.Load4(4 * q));
            // Backward will read the sum as it is stored, so the statistics are those of the stored one.
            Vector4 v = sum.Load4(4 * q);
            square += Quads.Dot(v, v);
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            sum.Store(i, a.Load(i) + b.Load(i));
            square += sum.Load(i) * sum.Load(i);
        }
        float r = 1f / MathF.Sqrt(Gpu.GroupSum(square) / n + eps);
        if (Gpu.Lane == 0)
            rstd[Gpu.Group] = r;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            y.Store4(4 * q, sum.Load4(4 * q) * r * RmsNormNode.Shifted(w, q, offset));
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            y.Store(i, sum.Load(i) * r * (w[i] + offset));
    }
}
