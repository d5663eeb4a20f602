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
    /// Rotary position embedding in the half-split layout, computed into x's own buffer: in every head of 2·h channels
    /// (a, b) → (a·c − b·s, b·c + a·s) with c, s from row positions[t] of the tables (spec/architectures.md §2.3).
    /// x: [N, heads·2h], positions: [N] i32, cos and sin: [P, h] fp32. x must not be used afterwards.
    /// </summary>
    public static Tensor Rope(Tensor x, Tensor positions, Tensor cos, Tensor sin)
    {
        Check.Activation("rope", x, "x");
        Check.Is("rope", positions, "positions", new Shape(x.Shape.Rows));
        Check.Shapes("rope", cos, sin);
        Check.True("rope", x.Shape.Last % (2 * cos.Shape.Last) == 0, $"the last dimension of x ({x}) must be a multiple of twice the tables' width ({cos}).");
        Check.True("rope", x.Holds == 1, "x is kept by another op's backward and cannot be written in place.");
        Tape tape = x.Tape!;
        RopeNode.Rotate(x, x, positions, cos, sin, 1f, false);
        Tensor y = tape.Alias(x);
        if (tape.Tracks(x))
        {
            var node = tape.Rent<RopeNode>();
            (node.X, node.Positions, node.Cos, node.Sin) = (x, node.Save(positions), cos, sin);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>Rotary embedding's reference, bodies and backward, which rotates by the negative angle.</summary>
internal sealed unsafe class RopeNode : Node
{
    private static readonly Kernel Pairs = Kernel.Of(typeof(RopeNode), nameof(RotateKernel));

    public Tensor X = null!, Positions = null!, Cos = null!, Sin = null!;

    public static NdArray Reference(NdArray x, int[] positions, NdArray cos, NdArray sin)
    {
        int half = cos.Shape.Last;
        var y = new NdArray(x.Shape);
        for (int t = 0; t < x.Shape.Rows; t++)
        {
            for (int i = 0; i < x.Shape.Last; i++)
            {
                int inHead = i % (2 * half), pair = inHead % half;
                double other = inHead < half ? -x[t, i + half] : x[t, i - half];
                y[t, i] = x[t, i] * cos[positions[t], pair] + other * sin[positions[t], pair];
            }
        }
        return y;
    }

    public static void Rotate(Tensor from, Tensor to, Tensor positions, Tensor cos, Tensor sin, float direction, bool accumulate)
    {
        if (from.Device is KernelDevice gpu)
        {
            int half = cos.Shape.Last, width = from.Shape.Last, runs = Quads.InRows(half, from, to, cos, sin) * (width / half) / 2, lanes = runs > 0 ? runs : width / 2;
            gpu.Launch(Pairs, gpu.Over((long)from.Shape.Rows * lanes), from, to, positions, cos, sin, from.Shape.Rows, width, half, lanes, runs > 0, direction, accumulate);
            return;
        }
        var body = new Body
        {
            From = from.F32, To = to.F32, Positions = positions.I32, Cos = cos.F32, Sin = sin.F32,
            Width = from.Shape.Last, Half = cos.Shape.Last, Direction = direction, Accumulate = accumulate,
        };
        ((CpuDevice)from.Device).Pool.ForRange(from.Shape.Rows, Math.Max(1, 8192 / from.Shape.Last), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(X, out bool accumulate) is { } dx)
            Rotate(grad, dx, Positions, Cos, Sin, -1f, accumulate);
    }

    // A lane turns one pair of a row, or four neighbouring ones.
    [Kernel]
    private static void RotateKernel<TFrom, TTo>(View<TFrom> from, View<TTo> to, View<int> positions, View<float> cos, View<float> sin,
        int rows, int width, int half, int lanesOfRow, bool wide, float direction, bool accumulate) where TFrom : unmanaged where TTo : unmanaged
    {
        int t = Gpu.Item / lanesOfRow;
        if (t < rows)
        {
            int pair = Gpu.Item % lanesOfRow * (wide ? 4 : 1), i = pair % half, at = pair / half * 2 * half + i;
            View<TFrom> x = from.At((long)t * width);
            View<TTo> y = to.At((long)t * width);
            int angle = positions[t] * half + i;
            if (wide)
            {
                Vector4 a = x.Load4(at), b = x.Load4(at + half), c = cos.Load4(angle), s = sin.Load4(angle) * direction;
                Vector4 first = a * c - b * s, second = b * c + a * s;
                if (accumulate)
                {
                    first += y.Load4(at);
                    second += y.Load4(at + half);
                }
                y.Store4(at, first);
                y.Store4(at + half, second);
            }
            else
            {
                float a = x.Load(at), b = x.Load(at + half), c = cos[angle], s = sin[angle] * direction;
                float first = a * c - b * s, second = b * c + a * s;
                y.Store(at, accumulate ? y.Load(at) + first : first);
                y.Store(at + half, accumulate ? y.Load(at + half) + second : second);
            }
        }
    }

    private struct Body : IParallelRange
    {
        public float* From, To, Cos, Sin;
        public int* Positions;
        public int Width, Half;
        public float Direction;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            for (int t = start; t < end; t++)
            {
                float* cos = Cos + (long)Positions[t] * Half, sin = Sin + (long)Positions[t] * Half;
                for (int head = 0; head < Width; head += 2 * Half)
                    RotateHead(From + (long)t * Width + head, To + (long)t * Width + head, cos, sin);
            }
        }

        private readonly void RotateHead(float* from, float* to, float* cos, float* sin)
        {
            int i = 0;
            for (; i <= Half - Simd.Width; i += Simd.Width)
            {
                Vector<float> a = Vector.Load(from + i), b = Vector.Load(from + Half + i);
                Vector<float> c = Vector.Load(cos + i), s = Vector.Load(sin + i) * Direction;
                Vector<float> first = a * c - b * s, second = b * c + a * s;
                (Accumulate ? first + Vector.Load(to + i) : first).Store(to + i);
                (Accumulate ? second + Vector.Load(to + Half + i) : second).Store(to + Half + i);
            }
            for (; i < Half; i++)
            {
                float a = from[i], b = from[Half + i], s = sin[i] * Direction;
                float first = a * cos[i] - b * s, second = b * cos[i] + a * s;
                to[i] = Accumulate ? to[i] + first : first;
                to[Half + i] = Accumulate ? to[Half + i] + second : second;
            }
        }
    }
}
