using System.Numerics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Engine.Training;

namespace Marrow.Engine;

/// <summary>The factors of one AdamW update, the same for every value.</summary>
/// <param name="Clip">On the gradient.</param>
/// <param name="Beta2">Of the second moment.</param>
/// <param name="Rest1">1 − β1, taken before it is rounded to fp32.</param>
/// <param name="Rest2">1 − β2, likewise: 1 − 0.999f is 1.3e-5 off, and every step with it.</param>
/// <param name="Decay">On the value: 1 − lr·weight decay.</param>
/// <param name="Step">lr / (1 − β1^t).</param>
/// <param name="Root">1 / √(1 − β2^t).</param>
/// <param name="Eps">Added to the root of the second moment.</param>
internal readonly record struct AdamWFactors(float Clip, float Beta2, float Rest1, float Rest2, float Decay, float Step, float Root, float Eps);

public static partial class Ops
{
    /// <summary>Σ x² in double precision over fixed chunks, so that the bits do not depend on the thread count. <paramref name="partials"/> holds one number for each <see cref="SquareSumBody.Chunk"/> values.</summary>
    internal static unsafe double SquareSum(Tensor x, Span<double> partials)
    {
        int n = x.Shape.Elements;
        fixed (double* places = partials)
        {
            var body = new SquareSumBody { X = x.F32, Partials = places };
            ((CpuDevice)x.Device).Pool.ForRange(n, SquareSumBody.Chunk, ref body);
        }
        double sum = 0;
        for (int i = 0; i * (long)SquareSumBody.Chunk < n; i++)
            sum += partials[i];
        return sum;
    }

    /// <summary>Queues Σ x² of each chunk of <see cref="SquareSumBody.Chunk"/> values, in fp32, into <paramref name="partials"/> from element <paramref name="first"/> on: what <see cref="SquareSum"/> is on a device whose results come later.</summary>
    internal static void SquareSums(KernelDevice gpu, Tensor x, Tensor partials, int first)
    {
        int n = x.Shape.Elements;
        gpu.Launch(OptimizerKernels.Squares, new Grid(gpu.LanesFor(SquareSumBody.Chunk), (n + SquareSumBody.Chunk - 1) / SquareSumBody.Chunk), x, Arg.At(partials, first), n);
    }

    /// <summary>
    /// One AdamW update (Loshchilov and Hutter, arXiv 1711.05101) of <paramref name="count"/> values from <paramref name="first"/> on, in one pass.
    /// All four tensors are laid out as a <see cref="ParameterSet"/>, so counts are multiples of its alignment.
    /// </summary>
    internal static unsafe void AdamW(Tensor values, Tensor gradients, Tensor m, Tensor v, int first, int count, in AdamWFactors factors)
    {
        Check.Shapes("adamw", values, gradients);
        Check.Shapes("adamw", values, m);
        Check.Shapes("adamw", values, v);
        Check.True("adamw", first % ParameterSet.Alignment == 0 && count % ParameterSet.Alignment == 0, $"{count} values from {first} on are not whole runs of {ParameterSet.Alignment}.");
        if (values.Device is KernelDevice gpu)
        {
            gpu.Launch(OptimizerKernels.Update, gpu.Over(count / 4), Arg.At(values, first), Arg.At(gradients, first), Arg.At(m, first), Arg.At(v, first), count / 4,
                factors.Clip, factors.Beta2, factors.Rest1, factors.Rest2, factors.Decay, factors.Step, factors.Root, factors.Eps);
            return;
        }
        var body = new AdamWBody { P = values.F32 + first, G = gradients.F32 + first, M = m.F32 + first, V = v.F32 + first, F = factors };
        ((CpuDevice)values.Device).Pool.ForRange(count, 16384, ref body);
    }
}

/// <summary>The optimizer's kernels, over flat buffers that are whole runs of four.</summary>
internal static class OptimizerKernels
{
    public static readonly Kernel Squares = Kernel.Of(typeof(OptimizerKernels), nameof(SquareKernel)), Update = Kernel.Of(typeof(OptimizerKernels), nameof(UpdateKernel));

    // A group takes one chunk.
    [Kernel]
    private static void SquareKernel(View<float> xs, View<float> partials, int n)
    {
        int end = Math.Min(n - Gpu.Group * SquareSumBody.Chunk, SquareSumBody.Chunk);
        View<float> x = xs.At((long)Gpu.Group * SquareSumBody.Chunk);
        float sum = 0;
        for (int i = 4 * Gpu.Lane; i < end; i += 4 * Gpu.Lanes)
        {
            Vector4 v = x.Load4(i);
            sum += Quads.Dot(v, v);
        }
        float total = Gpu.GroupSum(sum);
        if (Gpu.Lane == 0)
            partials[Gpu.Group] = total;
    }

    [Kernel]
    private static void UpdateKernel(View<float> values, View<float> gradients, View<float> moments, View<float> seconds, int quads,
        float clip, float beta2, float rest1, float rest2, float decay, float step, float root, float eps)
    {
        if (Gpu.Item < quads)
        {
            int i = 4 * Gpu.Item;
            Vector4 g = gradients.Load4(i) * clip, m = moments.Load4(i), v = seconds.Load4(i);
            m += (g - m) * rest1;
            v = v * beta2 + g * g * rest2;
            moments.Store4(i, m);
            seconds.Store4(i, v);
            var size = new Vector4(MathF.Sqrt(v.X) * root + eps, MathF.Sqrt(v.Y) * root + eps, MathF.Sqrt(v.Z) * root + eps, MathF.Sqrt(v.W) * root + eps);
            values.Store4(i, values.Load4(i) * decay - m * step / size);
        }
    }
}

internal unsafe struct SquareSumBody : IParallelRange
{
    public const int Chunk = 16384;

    public float* X;
    public double* Partials;

    public readonly void Run(int start, int end)
    {
        Vector<double> low = default, high = default;
        int i = start;
        for (; i <= end - Simd.Width; i += Simd.Width)
        {
            Vector.Widen(Vector.Load(X + i), out Vector<double> a, out Vector<double> b);
            low += a * a;
            high += b * b;
        }
        double sum = Vector.Sum(low + high);
        for (; i < end; i++)
            sum += (double)X[i] * X[i];
        Partials[start / Chunk] = sum;
    }
}

internal unsafe struct AdamWBody : IParallelRange
{
    public float* P, G, M, V;
    public AdamWFactors F;

    public readonly void Run(int start, int end)
    {
        Vector<float> clip = new(F.Clip), beta2 = new(F.Beta2), decay = new(F.Decay), step = new(F.Step), root = new(F.Root), eps = new(F.Eps);
        Vector<float> rest1 = new(F.Rest1), rest2 = new(F.Rest2);
        for (int i = start; i < end; i += Simd.Width)
        {
            Vector<float> g = Vector.Load(G + i) * clip, m = Vector.Load(M + i), v = Vector.Load(V + i);
            m += rest1 * (g - m);
            v = beta2 * v + rest2 * g * g;
            m.Store(M + i);
            v.Store(V + i);
            (Vector.Load(P + i) * decay - step * m / (Vector.SquareRoot(v) * root + eps)).Store(P + i);
        }
    }
}
