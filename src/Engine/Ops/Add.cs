using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>The operations that models are made of; each is one file with its checks, reference, CPU body and backward.</summary>
public static partial class Ops
{
    /// <summary>a + b, same shapes: the residual connection.</summary>
    public static Tensor Add(Tensor a, Tensor b)
    {
        Check.Shapes("add", a, b);
        Check.Activation("add", a, "a");
        Check.Activation("add", b, "b");
        Tape tape = a.Tape!;
        Tensor y = tape.NewActivation(a.Shape);
        AddNode.Sum(y, a, b);
        if (tape.Tracks(a, b))
        {
            var node = tape.Rent<AddNode>();
            (node.A, node.B) = (a, b);
            tape.Record(node, y);
        }
        return y;
    }

    /// <summary>sum += x, outside of the tape: how gradients meet, an activation's and a parameter's of another type too.</summary>
    internal static void AddInto(Tensor sum, Tensor x)
    {
        Check.Shapes("add", sum, x);
        AddNode.Sum(sum, sum, x);
    }
}

/// <summary>Addition's reference, bodies and backward.</summary>
internal sealed unsafe class AddNode : Node
{
    private static readonly Kernel Each = Kernel.Of(typeof(AddNode), nameof(SumKernel));

    public Tensor A = null!, B = null!;

    public static NdArray Reference(NdArray a, NdArray b) => a.Zip(b, (x, y) => x + y);

    public static void Sum(Tensor y, Tensor a, Tensor b)
    {
        if (y.Device is KernelDevice gpu)
        {
            int n = y.Shape.Elements, quads = Quads.In(n, y, a, b);
            gpu.Launch(Each, gpu.Over(n - 3L * quads), y, a, b, n, quads);
            return;
        }
        var body = new Body { Y = y.F32, A = a.F32, B = b.F32 };
        ((CpuDevice)y.Device).Pool.ForRange(y.Shape.Elements, 16384, ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        PassGrad(A, grad);
        PassGrad(B, grad);
    }

    [Kernel]
    private static void SumKernel<TY, TA, TB>(View<TY> y, View<TA> a, View<TB> b, int n, int quads) where TY : unmanaged where TA : unmanaged where TB : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            y.Store4(4 * i, a.Load4(4 * i) + b.Load4(4 * i));
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                y.Store(i, a.Load(i) + b.Load(i));
        }
    }

    private struct Body : IParallelRange
    {
        public float* Y, A, B;

        public readonly void Run(int start, int end) => Simd.Sum(Y + start, A + start, B + start, end - start);
    }
}
