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
    /// z = x ∘ (m∘f − offset) + b, one factor for each channel. x: [N, C]; m: [C] fp32, may be trained; f: [C] fp32 and b: [C] fp32 or null, both constant.
    /// DoRA's scaling by m/n, with f = 1/n (spec/adapters.md §3.8).
    /// </summary>
    public static Tensor ScaleColumns(Tensor x, Tensor m, Tensor f, float offset = 0f, Tensor? b = null)
    {
        const string op = "scale_columns";
        Check.Activation(op, x, "x");
        Check.Channels(op, m, "m", x.Shape.Last);
        Check.Channels(op, f, "f", x.Shape.Last);
        if (b is not null)
            Check.Channels(op, b, "b", x.Shape.Last);
        Check.True(op, !f.NeedsGrad && b is not { NeedsGrad: true }, "f and b are constants.");
        Tape tape = x.Tape!;
        Tensor z = tape.NewActivation(x.Shape);
        ScaleColumnsNode.Run(z, x, m, f, b, offset, false);
        if (tape.Tracks(x, m))
        {
            var node = tape.Rent<ScaleColumnsNode>();
            (node.X, node.M, node.F, node.Offset) = (m.NeedsGrad ? node.Save(x) : x, node.Save(m), node.Save(f), offset);
            tape.Record(node, z);
        }
        return z;
    }
}

/// <summary>The reference, bodies and backward of scaling channels.</summary>
internal sealed unsafe class ScaleColumnsNode : Node
{
    private static readonly Kernel Each = Kernel.Of(typeof(ScaleColumnsNode), nameof(ScaleKernel));

    public Tensor X = null!, M = null!, F = null!;
    public float Offset;

    public static NdArray Reference(NdArray x, NdArray m, NdArray f, double offset, NdArray? b)
    {
        var z = new NdArray(x.Shape);
        for (int i = 0, c = x.Shape.Last; i < z.Values.Length; i++)
            z.Values[i] = x.Values[i] * (m.Values[i % c] * f.Values[i % c] - offset) + (b is null ? 0 : b.Values[i % c]);
        return z;
    }

    public static void Run(Tensor to, Tensor x, Tensor m, Tensor f, Tensor? b, float offset, bool accumulate)
    {
        int rows = x.Shape.Rows, c = x.Shape.Last;
        if (to.Device is KernelDevice gpu)
        {
            gpu.Launch(Each, gpu.Over(to.Shape.Count), to, x, m, f, b, to.Shape.Elements, c, offset, b is not null, accumulate);
            return;
        }
        var body = new ScaleBody { To = to.F32, X = x.F32, M = m.F32, F = f.F32, B = b is null ? null : b.F32, C = c, Offset = offset, Accumulate = accumulate };
        ((CpuDevice)to.Device).Pool.ForRange(rows, Math.Max(1, 8192 / c), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(M, out bool more) is { } dm)
            ColumnSums.Products(Tape, grad, X, null, F, dm, more);
        if (GradOf(X, out bool accumulate) is { } dx)
            Run(dx, grad, M, F, null, Offset, accumulate);
    }

    [Kernel]
    private static void ScaleKernel<TTo, TX>(View<TTo> to, View<TX> x, View<float> m, View<float> f, View<float> b, int n, int c, float offset, bool hasBias, bool accumulate)
        where TTo : unmanaged where TX : unmanaged
    {
        int i = Gpu.Item;
        if (i < n)
        {
            int column = i % c;
            float z = x.Load(i) * (m[column] * f[column] - offset);
            if (hasBias)
                z += b[column];
            to.Store(i, accumulate ? to.Load(i) + z : z);
        }
    }

    private struct ScaleBody : IParallelRange
    {
        public float* To, X, M, F, B;
        public int C;
        public float Offset;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            for (long row = start; row < end; row++)
            {
                float* x = X + row * C, to = To + row * C;
                int i = 0;
                for (; i <= C - Simd.Width; i += Simd.Width)
                {
                    Vector<float> z = Vector.Load(x + i) * (Vector.Load(M + i) * Vector.Load(F + i) - new Vector<float>(Offset));
                    if (B is not null)
                        z += Vector.Load(B + i);
                    (Accumulate ? z + Vector.Load(to + i) : z).Store(to + i);
                }
                for (; i < C; i++)
                {
                    float z = x[i] * (M[i] * F[i] - Offset) + (B is null ? 0 : B[i]);
                    to[i] = Accumulate ? z + to[i] : z;
                }
            }
        }
    }
}
