using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>factor·x∘y, same shapes: gates.</summary>
    public static Tensor Multiply(Tensor x, Tensor y, float factor = 1f)
    {
        Check.Shapes("multiply", x, y);
        Check.Activation("multiply", x, "x");
        Check.Activation("multiply", y, "y");
        Tape tape = x.Tape!;
        Tensor product = tape.NewActivation(x.Shape);
        MultiplyNode.Run(product, x, y, factor, false);
        if (tape.Tracks(x, y))
        {
            var node = tape.Rent<MultiplyNode>();
            (node.X, node.Y, node.Factor) = (y.NeedsGrad ? node.Save(x) : x, x.NeedsGrad ? node.Save(y) : y, factor);
            tape.Record(node, product);
        }
        return product;
    }
}

/// <summary>The elementwise product's reference, bodies and backward, which is the same product with the gradient for a factor.</summary>
internal sealed unsafe class MultiplyNode : Node
{
    private static readonly Kernel Each = Kernel.Of(typeof(MultiplyNode), nameof(ProductKernel));

    public Tensor X = null!, Y = null!;
    public float Factor;

    public static NdArray Reference(NdArray x, NdArray y, double factor) => x.Zip(y, (a, b) => factor * a * b);

    public static void Run(Tensor to, Tensor a, Tensor b, float factor, bool accumulate)
    {
        int n = to.Shape.Elements;
        if (to.Device is KernelDevice gpu)
        {
            int quads = Quads.In(n, to, a, b);
            gpu.Launch(Each, gpu.Over(n - 3L * quads), to, a, b, n, quads, factor, accumulate);
            return;
        }
        var body = new Body { To = to.F32, A = a.F32, B = b.F32, Factor = factor, Accumulate = accumulate };
        ((CpuDevice)to.Device).Pool.ForRange(n, 8192, ref body);
    }

    // One input after the other, so that a tensor multiplied by itself gets both parts.
    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(X, out bool accumulate) is { } dx)
            Run(dx, grad, Y, Factor, accumulate);
        if (GradOf(Y, out accumulate) is { } dy)
            Run(dy, grad, X, Factor, accumulate);
    }

    [Kernel]
    private static void ProductKernel<TTo, TA, TB>(View<TTo> to, View<TA> a, View<TB> b, int n, int quads, float factor, bool accumulate)
        where TTo : unmanaged where TA : unmanaged where TB : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            Vector4 v = a.Load4(4 * i) * b.Load4(4 * i) * factor;
            if (accumulate)
                v += to.Load4(4 * i);
            to.Store4(4 * i, v);
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                to.Store(i, a.Load(i) * b.Load(i) * factor + (accumulate ? to.Load(i) : 0f));
        }
    }

    private struct Body : IParallelRange
    {
        public float* To, A, B;
        public float Factor;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            int i = start;
            for (; i <= end - Simd.Width; i += Simd.Width)
            {
                Vector<float> v = Vector.Load(A + i) * Vector.Load(B + i) * Factor;
                (Accumulate ? v + Vector.Load(To + i) : v).Store(To + i);
            }
            for (; i < end; i++)
            {
                float v = A[i] * B[i] * Factor;
                To[i] = Accumulate ? v + To[i] : v;
            }
        }
    }
}
