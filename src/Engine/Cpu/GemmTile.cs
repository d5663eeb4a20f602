using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Marrow.Engine.Cpu;

/// <summary>A number the compiler of a generic method knows.</summary>
internal interface IConstant
{
    static abstract int Value { get; }
}

/// <summary>
/// The micro-kernel: a tile of C, one to twelve rows high and one or two vectors wide, held in registers over a run of k. Row and
/// column count are type arguments, so that the code of rows that are not there is not compiled.
/// </summary>
internal static unsafe class GemmTile<L, V, TRows, TColumns>
    where L : struct, ILanes<V>
    where V : struct
    where TRows : struct, IConstant
    where TColumns : struct, IConstant
{
    /// <summary>
    /// C = alpha·A·B + beta·C over <paramref name="k"/> steps, k at least 1. A[i, p] lies at a + i·rowA + p·stepA, B[p, j] at
    /// b + p·stepB + j. C is not read where beta is 0. Each element is summed in the order of k by multiply-adds.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Run(nint k, float* a, nint rowA, nint stepA, float* b, nint stepB, float* c, nint ldc, float alpha, float beta)
    {
        V c00 = default, c10 = default, c20 = default, c30 = default, c40 = default, c50 = default, c60 = default, c70 = default, c80 = default, c90 = default, cA0 = default, cB0 = default;
        V c01 = default, c11 = default, c21 = default, c31 = default, c41 = default, c51 = default, c61 = default, c71 = default, c81 = default, c91 = default, cA1 = default, cB1 = default;
        nint rowA2 = 2 * rowA;
        float* a3 = a + 3 * rowA, a6 = a3 + 3 * rowA, a9 = a6 + 3 * rowA;
        float* fetched = c;
        do
        {
            if (Sse.IsSupported && (k & 15) == 0)
            {
                // C is needed when the sums are done. Fetching it at once would hold up the loads of B, so a row at a time.
                Sse.Prefetch0(fetched);
                if (TColumns.Value > 1)
                    Sse.Prefetch0(fetched + L.Width);
                fetched += ldc;
            }
            V b0 = L.Load(b), b1 = TColumns.Value > 1 ? L.Load(b + L.Width) : default;
            b += stepB;
            if (TRows.Value > 0)
                Step(*a, b0, b1, ref c00, ref c01);
            if (TRows.Value > 1)
                Step(a[rowA], b0, b1, ref c10, ref c11);
            if (TRows.Value > 2)
                Step(a[rowA2], b0, b1, ref c20, ref c21);
            if (TRows.Value > 3)
                Step(*a3, b0, b1, ref c30, ref c31);
            if (TRows.Value > 4)
                Step(a3[rowA], b0, b1, ref c40, ref c41);
            if (TRows.Value > 5)
                Step(a3[rowA2], b0, b1, ref c50, ref c51);
            if (TRows.Value > 6)
                Step(*a6, b0, b1, ref c60, ref c61);
            if (TRows.Value > 7)
                Step(a6[rowA], b0, b1, ref c70, ref c71);
            if (TRows.Value > 8)
                Step(a6[rowA2], b0, b1, ref c80, ref c81);
            if (TRows.Value > 9)
                Step(*a9, b0, b1, ref c90, ref c91);
            if (TRows.Value > 10)
                Step(a9[rowA], b0, b1, ref cA0, ref cA1);
            if (TRows.Value > 11)
                Step(a9[rowA2], b0, b1, ref cB0, ref cB1);
            a += stepA;
            if (TRows.Value > 3)
                a3 += stepA;
            if (TRows.Value > 6)
                a6 += stepA;
            if (TRows.Value > 9)
                a9 += stepA;
        }
        while (--k != 0);

        V alphas = L.Broadcast(alpha), betas = L.Broadcast(beta);
        bool read = beta != 0;
        if (TRows.Value > 0)
            Put(c, c00, c01, alphas, betas, read);
        if (TRows.Value > 1)
            Put(c + ldc, c10, c11, alphas, betas, read);
        if (TRows.Value > 2)
            Put(c + 2 * ldc, c20, c21, alphas, betas, read);
        if (TRows.Value > 3)
            Put(c + 3 * ldc, c30, c31, alphas, betas, read);
        if (TRows.Value > 4)
            Put(c + 4 * ldc, c40, c41, alphas, betas, read);
        if (TRows.Value > 5)
            Put(c + 5 * ldc, c50, c51, alphas, betas, read);
        if (TRows.Value > 6)
            Put(c + 6 * ldc, c60, c61, alphas, betas, read);
        if (TRows.Value > 7)
            Put(c + 7 * ldc, c70, c71, alphas, betas, read);
        if (TRows.Value > 8)
            Put(c + 8 * ldc, c80, c81, alphas, betas, read);
        if (TRows.Value > 9)
            Put(c + 9 * ldc, c90, c91, alphas, betas, read);
        if (TRows.Value > 10)
            Put(c + 10 * ldc, cA0, cA1, alphas, betas, read);
        if (TRows.Value > 11)
            Put(c + 11 * ldc, cB0, cB1, alphas, betas, read);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(float a, V b0, V b1, ref V c0, ref V c1)
    {
        V spread = L.Broadcast(a);
        c0 = L.MultiplyAdd(spread, b0, c0);
        if (TColumns.Value > 1)
            c1 = L.MultiplyAdd(spread, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, V c0, V c1, V alpha, V beta, bool read)
    {
        if (read)
        {
            L.Store(L.MultiplyAdd(alpha, c0, L.Multiply(beta, L.Load(c))), c);
            if (TColumns.Value > 1)
                L.Store(L.MultiplyAdd(alpha, c1, L.Multiply(beta, L.Load(c + L.Width))), c + L.Width);
        }
        else
        {
            L.Store(L.Multiply(alpha, c0), c);
            if (TColumns.Value > 1)
                L.Store(L.Multiply(alpha, c1), c + L.Width);
        }
    }
}

/// <summary>Chooses the micro-kernel compiled for a number of rows and vectors.</summary>
internal static unsafe class GemmTile<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>The most rows of any tile.</summary>
    public const int MaxRows = 12;

    /// <summary>See <see cref="GemmTile{L,V,TRows,TColumns}.Run"/>; <paramref name="columns"/> counts vectors, 1 or 2.</summary>
    public static void Run(int rows, int columns, nint k, float* a, nint rowA, nint stepA, float* b, nint stepB, float* c, nint ldc, float alpha, float beta)
    {
        delegate*<nint, float*, nint, nint, float*, nint, float*, nint, float, float, void> kernel =
            columns > 1 ? Choose<Two>(rows) : Choose<One>(rows);
        kernel(k, a, rowA, stepA, b, stepB, c, ldc, alpha, beta);
    }

    private static delegate*<nint, float*, nint, nint, float*, nint, float*, nint, float, float, void> Choose<C>(int rows)
        where C : struct, IConstant => rows switch
        {
            1 => &GemmTile<L, V, One, C>.Run,
            2 => &GemmTile<L, V, Two, C>.Run,
            3 => &GemmTile<L, V, Three, C>.Run,
            4 => &GemmTile<L, V, Four, C>.Run,
            5 => &GemmTile<L, V, Five, C>.Run,
            6 => &GemmTile<L, V, Six, C>.Run,
            7 => &GemmTile<L, V, Seven, C>.Run,
            8 => &GemmTile<L, V, Eight, C>.Run,
            9 => &GemmTile<L, V, Nine, C>.Run,
            10 => &GemmTile<L, V, Ten, C>.Run,
            11 => &GemmTile<L, V, Eleven, C>.Run,
            _ => &GemmTile<L, V, Twelve, C>.Run,
        };

    internal readonly struct One : IConstant
    {
        public static int Value => 1;
    }

    internal readonly struct Two : IConstant
    {
        public static int Value => 2;
    }

    internal readonly struct Three : IConstant
    {
        public static int Value => 3;
    }

    internal readonly struct Four : IConstant
    {
        public static int Value => 4;
    }

    private readonly struct Five : IConstant
    {
        public static int Value => 5;
    }

    private readonly struct Six : IConstant
    {
        public static int Value => 6;
    }

    private readonly struct Seven : IConstant
    {
        public static int Value => 7;
    }

    private readonly struct Eight : IConstant
    {
        public static int Value => 8;
    }

    private readonly struct Nine : IConstant
    {
        public static int Value => 9;
    }

    private readonly struct Ten : IConstant
    {
        public static int Value => 10;
    }

    private readonly struct Eleven : IConstant
    {
        public static int Value => 11;
    }

    private readonly struct Twelve : IConstant
    {
        public static int Value => 12;
    }
}
