using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

/// <summary>The operations that models are made of; each is one file with its checks, reference, CPU body and backward.</summary>
public static partial class Ops
{
    /// <summary>a + b, same shapes, fp32: the residual connection.</summary>
    public static Tensor Add(Tensor a, Tensor b)
    {
        Check.Shapes("add", a, b);
        Tape tape = a.Tape!;
        Tensor y = tape.New(a.Shape);
        AddNode.Sum(y, a, b);
        if (tape.Tracks(a, b))
        {
            var node = tape.Rent<AddNode>();
            (node.A, node.B) = (a, b);
            tape.Record(node, y);
        }
        return y;
    }

    /// <summary>sum += x, outside of the tape: how gradients meet.</summary>
    internal static void AddInto(Tensor sum, Tensor x)
    {
        Check.Shapes("add", sum, x);
        AddNode.Sum(sum, sum, x);
    }
}

/// <summary>Addition's reference, CPU body and backward.</summary>
internal sealed unsafe class AddNode : Node
{
    public Tensor A = null!, B = null!;

    public static NdArray Reference(NdArray a, NdArray b) => a.Zip(b, (x, y) => x + y);

    public static void Sum(Tensor y, Tensor a, Tensor b)
    {
        var body = new Body { Y = y.F32, A = a.F32, B = b.F32 };
        ((CpuDevice)y.Device).Pool.ForRange(y.Shape.Elements, 16384, ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        PassGrad(A, grad);
        PassGrad(B, grad);
    }

    private struct Body : IParallelRange
    {
        public float* Y, A, B;

        public readonly void Run(int start, int end) => Simd.Sum(Y + start, A + start, B + start, end - start);
    }
}
