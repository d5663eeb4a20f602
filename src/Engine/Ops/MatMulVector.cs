using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>One row times a transposed matrix, as in generation: every weight is read once, so reading is all that counts.</summary>
internal static unsafe partial class MatMul
{
    private const int RowLanes = 64, RowsOfProcessor = 32;

    private static readonly Kernel VectorRows = Kernel.Of(typeof(MatMul), nameof(VectorKernel));

    private static void RunVector(KernelDevice gpu, in Product p)
    {
        int lanes = gpu.Capabilities.IsCpu ? 1 : Math.Min(RowLanes, gpu.Capabilities.MaxLanes), rows = gpu.Capabilities.IsCpu ? RowsOfProcessor : 1;
        gpu.Launch(VectorRows, new Grid(lanes, (p.N + rows - 1) / rows), p.A, p.B, p.C, p.N, p.K, Quads.InRows(p.K, p.A, p.B), rows, p.Alpha, p.Accumulate);
    }

    // A group takes some rows of w, one after the other.
    [Kernel(Lanes = 64)]
    private static void VectorKernel<TX, TW, TY>(View<TX> x, View<TW> w, View<TY> y, int n, int k, int quads, int rows, float alpha, bool accumulate)
        where TX : unmanaged where TW : unmanaged where TY : unmanaged
    {
        for (int r = 0; r < rows; r++)
        {
            // Rows past the end are computed again, since all lanes meet in the sum.
            int row = Gpu.Group * rows + r;
            View<TW> from = w.At((long)Math.Min(row, n - 1) * k);
            Vector4 s0 = Vector4.Zero, s1 = Vector4.Zero, s2 = Vector4.Zero, s3 = Vector4.Zero;
            int q = Gpu.Lane;
            for (; q + 3 * Gpu.Lanes < quads; q += 4 * Gpu.Lanes)
            {
                s0 += x.Load4(4 * q) * from.Load4(4 * q);
                s1 += x.Load4(4 * (q + Gpu.Lanes)) * from.Load4(4 * (q + Gpu.Lanes));
                s2 += x.Load4(4 * (q + 2 * Gpu.Lanes)) * from.Load4(4 * (q + 2 * Gpu.Lanes));
                s3 += x.Load4(4 * (q + 3 * Gpu.Lanes)) * from.Load4(4 * (q + 3 * Gpu.Lanes));
            }
            for (; q < quads; q += Gpu.Lanes)
                s0 += x.Load4(4 * q) * from.Load4(4 * q);
            s0 += s1 + (s2 + s3);
            float sum = s0.X + s0.Y + (s0.Z + s0.W);
            for (int i = 4 * quads + Gpu.Lane; i < k; i += Gpu.Lanes)
                sum += x.Load(i) * from.Load(i);
            sum = alpha * Gpu.GroupSum(sum);
            if (Gpu.Lane == 0 && row < n)
                y.Store(row, accumulate ? y.Load(row) + sum : sum);
        }
    }
}
