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
    /// 1 / ‖(w + s·b·a)[o, :]‖ for every row o, [out] fp32, without making b·a. w: [out, in] of any type of frozen weights, <paramref name="squares"/>: ‖w[o, :]‖², [out] fp32;
    /// a: [r, in], b: [out, r], fp32. Never recorded: DoRA takes the norms for constants (spec/adapters.md §3.8).
    /// </summary>
    public static Tensor InverseRowNorms(Tape tape, Tensor w, Tensor squares, Tensor a, Tensor b, float s)
    {
        const string op = "inverse_row_norms";
        int outputs = w.Shape.Rows, r = a.Shape.Rows;
        Check.Type(op, a, "a", DType.F32);
        Check.Is(op, a, "a", new Shape(r, w.Shape.Last));
        Check.Type(op, b, "b", DType.F32);
        Check.Is(op, b, "b", new Shape(outputs, r));
        Check.Channels(op, squares, "squares", outputs);
        Tensor inverse = tape.New(new Shape(outputs));
        int scope = tape.Open();
        Tensor wa = tape.New(new Shape(r, outputs)), aa = tape.New(new Shape(r, r)), baa = tape.New(new Shape(outputs, r));
        MatMul.Run(a, false, w, true, wa);
        MatMul.Run(a, false, a, true, aa);
        MatMul.Run(b, false, aa, false, baa);
        RowNorms.Inverse(squares, wa, baa, b, s, inverse);
        tape.Close(scope);
        return inverse;
    }
}

/// <summary>The reference and bodies of the norms: ‖w + s·b·a‖² = ‖w‖² + 2s·Σ b∘(w·aᵀ) + s²·Σ b∘(b·a·aᵀ), row by row.</summary>
internal static unsafe class RowNorms
{
    // Rows that cancel to nothing have no direction; their norm is kept off zero.
    private const float Least = 1e-30f;

    private static readonly Kernel Each = Kernel.Of(typeof(RowNorms), nameof(InverseKernel));

    public static NdArray Reference(NdArray w, NdArray a, NdArray b, double s)
    {
        var inverse = new NdArray(new Shape(w.Shape.Rows));
        for (int o = 0; o < w.Shape.Rows; o++)
        {
            double sum = 0;
            for (int i = 0; i < w.Shape.Last; i++)
            {
                double v = w[o, i];
                for (int k = 0; k < a.Shape.Rows; k++)
                    v += s * b[o, k] * a[k, i];
                sum += v * v;
            }
            inverse.Values[o] = 1 / Math.Sqrt(Math.Max(sum, Least));
        }
        return inverse;
    }

    public static void Inverse(Tensor squares, Tensor wa, Tensor baa, Tensor b, float s, Tensor inverse)
    {
        int outputs = inverse.Shape.Last, r = b.Shape.Last;
        if (inverse.Device is KernelDevice gpu)
        {
            gpu.Launch(Each, gpu.Over(outputs), squares, wa, baa, b, inverse, outputs, r, s);
            return;
        }
        var body = new Body { Squares = squares.F32, Wa = wa.F32, Baa = baa.F32, B = b.F32, To = inverse.F32, Outputs = outputs, R = r, S = s };
        ((CpuDevice)inverse.Device).Pool.ForRange(outputs, Math.Max(1, 8192 / r), ref body);
    }

    [Kernel]
    private static void InverseKernel(View<float> squares, View<float> wa, View<float> baa, View<float> b, View<float> inverse, int outputs, int r, float s)
    {
        int o = Gpu.Item;
        if (o < outputs)
        {
            View<float> ofB = b.At((long)o * r), ofBaa = baa.At((long)o * r);
            float sum = squares[o];
            for (int k = 0; k < r; k++)
                sum += s * ofB[k] * (2f * wa.At((long)k * outputs)[o] + s * ofBaa[k]);
            inverse[o] = 1f / MathF.Sqrt(Math.Max(sum, Least));
        }
    }

    private struct Body : IParallelRange
    {
        public float* Squares, Wa, Baa, B, To;
        public int Outputs, R;
        public float S;

        public readonly void Run(int start, int end)
        {
            for (int o = start; o < end; o++)
            {
                float* b = B + (long)o * R, baa = Baa + (long)o * R;
                // In double: rows that the adapter nearly cancels keep their digits, and r is small.
                double sum = Squares[o];
                for (int k = 0; k < R; k++)
                    sum += (double)S * b[k] * (2.0 * Wa[(long)k * Outputs + o] + (double)S * baa[k]);
                To[o] = (float)(1 / Math.Sqrt(Math.Max(sum, Least)));
            }
        }
    }
}
