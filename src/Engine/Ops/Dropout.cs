using System.Runtime.CompilerServices;
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
    /// x with each element zeroed with probability p and the others divided by 1 − p. The draw depends only on the tape's
    /// <see cref="Tape.DrawKey"/>, <paramref name="site"/> and the element's place, so it is the same on every device and when computed again.
    /// Returns x itself unless <see cref="Tape.Training"/> is on.
    /// </summary>
    public static Tensor Dropout(Tensor x, float p, ulong site)
    {
        Check.Activation("dropout", x, "x");
        Check.True("dropout", p is >= 0 and < 1, $"p is {p}, it must be at least 0 and below 1.");
        Tape tape = x.Tape!;
        if (p == 0 || !tape.Training)
            return x;
        Tensor y = tape.NewActivation(x.Shape);
        ulong key = SplitMix64.Mix(tape.DrawKey + SplitMix64.Mix(site));
        DropoutNode.Mask(x, y, p, key, false);
        if (tape.Tracks(x))
        {
            var node = tape.Rent<DropoutNode>();
            (node.X, node.P, node.Key) = (x, p, key);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>Dropout's reference, bodies and backward, which draws the same mask again instead of keeping it.</summary>
internal sealed unsafe class DropoutNode : Node
{
    private static readonly Kernel Each = Kernel.Of(typeof(DropoutNode), nameof(MaskKernel));

    public Tensor X = null!;
    public float P;
    public ulong Key;

    public static NdArray Reference(NdArray x, double p, ulong drawKey, ulong site)
    {
        ulong key = SplitMix64.Mix(drawKey + SplitMix64.Mix(site));
        var y = new NdArray(x.Shape);
        for (int i = 0; i < x.Values.Length; i++)
            y.Values[i] = Keeps(key, i, (float)p) ? x.Values[i] / (1 - (float)p) : 0;
        return y;
    }

    public static void Mask(Tensor x, Tensor y, float p, ulong key, bool accumulate)
    {
        if (x.Device is KernelDevice gpu)
        {
            gpu.Launch(Each, gpu.Over(x.Shape.Count), x, y, x.Shape.Elements, p, 1f / (1f - p), key, accumulate);
            return;
        }
        var body = new Body { X = x.F32, Y = y.F32, P = p, Key = key, Accumulate = accumulate };
        ((CpuDevice)x.Device).Pool.ForRange(x.Shape.Elements, 8192, ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(X, out bool accumulate) is { } dx)
            Mask(grad, dx, P, Key, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Keeps(ulong key, long i, float p) => (SplitMix64.Mix(key + (ulong)i) >> 40) * (1f / (1 << 24)) >= p;

    [Kernel]
    private static void MaskKernel<TX, TY>(View<TX> x, View<TY> y, int n, float p, float scale, ulong key, bool accumulate) where TX : unmanaged where TY : unmanaged
    {
        int i = Gpu.Item;
        if (i < n)
        {
            float v = Keeps(key, i, p) ? x.Load(i) * scale : 0f;
            y.Store(i, accumulate ? y.Load(i) + v : v);
        }
    }

    private struct Body : IParallelRange
    {
        public float* X, Y;
        public float P;
        public ulong Key;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            float scale = 1f / (1f - P);
            for (int i = start; i < end; i++)
            {
                float v = Keeps(Key, i, P) ? X[i] * scale : 0f;
                Y[i] = Accumulate ? Y[i] + v : v;
            }
        }
    }
}
