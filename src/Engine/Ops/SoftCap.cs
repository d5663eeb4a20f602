using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// cap·tanh(x / cap), computed into x's own buffer: what Gemma-2 does to its logits (spec/architectures.md §1.2). x: [N, V];
    /// cap above 0. x must not be used afterwards.
    /// </summary>
    public static Tensor SoftCap(Tensor x, float cap)
    {
        Check.Activation("soft_cap", x, "x");
        Check.True("soft_cap", cap > 0, $"the cap is {cap}, it must be above 0.");
        Check.True("soft_cap", x.Holds == 1, "x is kept by another op's backward and cannot be written in place.");
        Tape tape = x.Tape!;
        SoftCapNode.Forward(x, cap);
        Tensor y = tape.Alias(x);
        if (tape.Tracks(x))
        {
            var node = tape.Rent<SoftCapNode>();
            (node.X, node.Y, node.Cap) = (x, node.Save(y), cap);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The soft cap's reference, bodies and backward; attention and the loss use them too.</summary>
internal sealed unsafe class SoftCapNode : Node
{
    private const int Grain = 8192;

    private static readonly Kernel ForwardEach = Kernel.Of(typeof(SoftCapNode), nameof(ForwardKernel)), BackwardEach = Kernel.Of(typeof(SoftCapNode), nameof(BackwardKernel));

    public Tensor X = null!, Y = null!;
    public float Cap;

    public static NdArray Reference(NdArray x, double cap) => x.Map(v => cap * Math.Tanh(v / cap));

    public static void Forward(Tensor x, float cap)
    {
        if (x.Device is KernelDevice gpu)
        {
            gpu.Launch(ForwardEach, gpu.Over(x.Shape.Count), x, x.Shape.Elements, cap);
            return;
        }
        var body = new ForwardBody { X = x.F32, Cap = cap };
        ((CpuDevice)x.Device).Pool.ForRange(x.Shape.Elements, Grain, ref body);
    }

    /// <summary>x = cap·tanh(x / cap) in place, and the derivative at each place where <paramref name="slopes"/> is not null.</summary>
    public static void Bend(float* x, float* slopes, float cap, int n)
    {
        Vector<float> c = new(cap), inverse = new(1f / cap);
        int i = 0;
        for (; i <= n - Simd.Width; i += Simd.Width)
        {
            Vector<float> t = Simd.Tanh(Vector.Load(x + i) * inverse);
            (c * t).Store(x + i);
            if (slopes is not null)
                (Vector<float>.One - t * t).Store(slopes + i);
        }
        for (; i < n; i++)
        {
            float t = Simd.Tanh(new Vector<float>(x[i] * (1f / cap)))[0];
            x[i] = cap * t;
            if (slopes is not null)
                slopes[i] = 1f - t * t;
        }
    }

    /// <summary>cap·tanh(x / cap), for kernels.</summary>
    public static float Capped(float x, float cap) => cap * MathF.Tanh(x / cap);

    /// <summary>The derivative where the result is <paramref name="capped"/>, for kernels.</summary>
    public static float Slope(float capped, float cap) => 1f - capped / cap * (capped / cap);

    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(X, out bool accumulate) is not { } dx)
            return;
        if (grad.Device is KernelDevice gpu)
        {
            gpu.Launch(BackwardEach, gpu.Over(grad.Shape.Count), Y, grad, dx, grad.Shape.Elements, Cap, accumulate);
            return;
        }
        var body = new BackwardBody { Y = Y.F32, Dy = grad.F32, Dx = dx.F32, Cap = Cap, Accumulate = accumulate };
        ((CpuDevice)grad.Device).Pool.ForRange(grad.Shape.Elements, Grain, ref body);
    }

    [Kernel]
    private static void ForwardKernel<T>(View<T> x, int n, float cap) where T : unmanaged
    {
        int i = Gpu.Item;
        if (i < n)
            x.Store(i, Capped(x.Load(i), cap));
    }

    [Kernel]
    private static void BackwardKernel<T, TDy, TDx>(View<T> y, View<TDy> dy, View<TDx> dx, int n, float cap, bool accumulate) where T : unmanaged where TDy : unmanaged where TDx : unmanaged
    {
        int i = Gpu.Item;
        if (i < n)
        {
            float d = dy.Load(i) * Slope(y.Load(i), cap);
            dx.Store(i, accumulate ? dx.Load(i) + d : d);
        }
    }

    private struct ForwardBody : IParallelRange
    {
        public float* X;
        public float Cap;

        public readonly void Run(int start, int end) => Bend(X + start, null, Cap, end - start);
    }

    private struct BackwardBody : IParallelRange
    {
        public float* Y, Dy, Dx;
        public float Cap;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            float inverse = 1f / Cap;
            int i = start;
            for (; i <= end - Simd.Width; i += Simd.Width)
            {
                Vector<float> t = Vector.Load(Y + i) * inverse, d = Vector.Load(Dy + i) * (Vector<float>.One - t * t);
                (Accumulate ? d + Vector.Load(Dx + i) : d).Store(Dx + i);
            }
            for (; i < end; i++)
            {
                float t = Y[i] * inverse, d = Dy[i] * (1f - t * t);
                Dx[i] = Accumulate ? Dx[i] + d : d;
            }
        }
    }
}
