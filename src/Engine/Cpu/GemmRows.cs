using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Cpu;

/// <summary>Sizes of products of few rows with the transpose of a matrix in blocks.</summary>
internal static unsafe class GemmRows
{
    /// <summary>Values of a row that are unpacked at a time: whole blocks of every type.</summary>
    public const int Depth = 512;

    /// <summary>Rows of C that there is room for.</summary>
    public const int Most = 32;

    /// <summary>Floats of two vectors, which hold a type's sixteen levels.</summary>
    public const int Levels = 32;

    /// <summary>Work memory: codes, their scales and minima, and sums, of the rows of B that lie side by side, and levels.</summary>
    public const nuint ScratchBytes = UnpackedCodes.Rows * (Depth + sizeof(float) * (2 * Depth / 16 + Most)) + sizeof(float) * Levels;

    /// <summary>The most rows: with more, decoding to fp32 first costs little beside the product. Measured.</summary>
    private static int MostRows => Vector512.IsHardwareAccelerated ? Most : Vector256.IsHardwareAccelerated ? 16 : 4;

    /// <summary>Whether a product is one of these.</summary>
    public static bool Takes(in GemmCall call) => call.Rows <= MostRows && call.B is { Transposed: true, Format: { Unpack: not null } format } && call.K % format.Elements == 0
        && call.A is { IsBFloat16: false, Transposed: false } && (format.Levels.IsEmpty || Avx2.IsSupported);

    /// <summary>Computes the rows m0..m1 and columns n0..n1 of C.</summary>
    public static void Run(WorkerPool pool, in GemmCall call, int m0, int m1, int n0, int n1)
    {
        using ScratchSet.Lease scratch = pool.Scratch.Rent(ScratchBytes);
        float* memory = (float*)scratch.Data;
        if (Vector512.IsHardwareAccelerated)
            GemmRows<Lanes512, Vector512<float>>.Run(in call, m0, m1, n0, n1, memory);
        else if (Vector256.IsHardwareAccelerated)
            GemmRows<Lanes256, Vector256<float>>.Run(in call, m0, m1, n0, n1, memory);
        else
            GemmRows<Lanes128, Vector128<float>>.Run(in call, m0, m1, n0, n1, memory);
    }
}

/// <summary>
/// Products of few rows with the transpose of a matrix in blocks. Its rows are unpacked side by side, a piece that the first-level cache holds, four codes to a lane;
/// each code is multiplied out in registers and used for every row of A. Every element is summed as <see cref="Gemm"/> does it.
/// </summary>
internal static unsafe class GemmRows<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    private const int MostAtOnce = 4;

    // Rows of B side by side, and the floats that codes and factors of sixteen columns take.
    private const int Width = UnpackedCodes.Rows, CodesOf16 = 4 * Width;

    public static void Run(in GemmCall call, int m0, int m1, int n0, int n1, float* scratch)
    {
        const int Sixteens = GemmRows.Depth / 16;
        float* codes = scratch, scales = codes + Sixteens * CodesOf16, minima = scales + Sixteens * Width, sums = minima + Sixteens * Width;
        BlockFormat format = call.B.Format!;
        float* levels = sums + GemmRows.Most * Width;
        format.Levels.Span.CopyTo(new Span<float>(levels, GemmRows.Levels));
        // Many types have none, and do not write any.
        new Span<float>(minima, Sixteens * Width).Clear();
        for (int n = n0; n < n1; n += Width)
        {
            int width = Math.Min(Width, n1 - n);
            for (int k = 0; k < call.K; k += GemmRows.Depth)
            {
                int depth = Math.Min(GemmRows.Depth, call.K - k);
                Unpack(call.B, n, width, k, depth, k + depth == call.K, codes, scales, minima);
                for (int p = 0, steps; p < depth; p += steps)
                {
                    int run = (k + p) % GemmBlock.K;
                    steps = Math.Min(GemmBlock.K - run, depth - p);
                    if (run == 0)
                        new Span<float>(sums, (m1 - m0) * Width).Clear();
                    for (int m = m0; m < m1; m += MostAtOnce)
                    {
                        int rows = Math.Min(MostAtOnce, m1 - m);
                        var multiply = format.Levels.IsEmpty ? Choose<Numbers>(rows) : Choose<Table>(rows);
                        for (int j = 0; j < width; j += 2 * L.Width)
                        {
                            multiply(steps / 16, (float*)call.A.At(m, k + p), call.A.Stride, codes + p / 16 * CodesOf16 + 4 * j, scales + p / 16 * Width + j,
                                minima + p / 16 * Width + j, sums + (m - m0) * Width + j, levels);
                        }
                    }
                    if (run + steps == GemmBlock.K || k + p + steps == call.K)
                        Put(in call, m0, m1, n, width, sums, k + p < GemmBlock.K ? call.Beta : 1);
                }
            }
        }
    }

    /// <summary>
    /// Unpacks columns k … k + depth of some rows. Of every sixteen columns the codes of the rows that make a vector come out as four vectors, the i-th with columns
    /// 4i … 4i + 3 in each row's lane.
    /// </summary>
    private static void Unpack(GemmOperand b, int first, int count, int k, int depth, bool last, float* codes, float* scales, float* minima)
    {
        BlockFormat format = b.Format!;
        int bytes = depth / format.Elements * format.Bytes, places = depth / 16 * Width;
        nint rowBytes = (nint)(b.Stride / format.Elements) * format.Bytes;
        nint from = (nint)(k / format.Elements) * format.Bytes, following = last ? Width * rowBytes - from : bytes;
        byte* row = (byte*)b.Data + first * rowBytes + from;
        for (int j = 0; j < count; j++, row += rowBytes)
        {
            if (Sse.IsSupported)
            {
                // The piece that follows, of this row or of the one in its place: too short a run for the processor to see it coming.
                for (int i = 0; i < bytes; i += 64)
                    Sse.Prefetch0(row + following + i);
            }
            // Where the row has to lie to be turned into its lane.
            int lane = j % L.Width, place = j - lane + lane % 4 * (L.Width / 4) + lane / 4;
            format.Unpack!(new ReadOnlySpan<byte>(row, bytes), new UnpackedCodes(new Span<Vector128<byte>>(codes + 4 * place, places - place),
                new Span<float>(scales + j, places - j), new Span<float>(minima + j, places - j)));
        }
        Turn(codes, depth / 16 * (Width / L.Width));
    }

    /// <summary>Turns every four vectors: 128-bit parts of rows become lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn(float* codes, int count)
    {
        for (; count != 0; count--, codes += 4 * L.Width)
        {
            V r0 = L.Load(codes), r1 = L.Load(codes + L.Width), r2 = L.Load(codes + 2 * L.Width), r3 = L.Load(codes + 3 * L.Width);
            V low02 = L.UnpackLow(r0, r2), low13 = L.UnpackLow(r1, r3), high02 = L.UnpackHigh(r0, r2), high13 = L.UnpackHigh(r1, r3);
            L.Store(L.UnpackLow(low02, low13), codes);
            L.Store(L.UnpackHigh(low02, low13), codes + L.Width);
            L.Store(L.UnpackLow(high02, high13), codes + 2 * L.Width);
            L.Store(L.UnpackHigh(high02, high13), codes + 3 * L.Width);
        }
    }

    private static delegate*<nint, float*, nint, float*, float*, float*, float*, float*, void> Choose<TCodes>(int rows) where TCodes : struct, IConstant => rows switch
    {
        1 => &Multiply<GemmTile<L, V>.One, TCodes>,
        2 => &Multiply<GemmTile<L, V>.Two, TCodes>,
        3 => &Multiply<GemmTile<L, V>.Three, TCodes>,
        _ => &Multiply<GemmTile<L, V>.Four, TCodes>,
    };

    /// <summary>Adds <paramref name="sixteens"/> · 16 steps along k to the sums, two vectors for each row of A.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply<TRows, TCodes>(nint sixteens, float* a, nint rowA, float* codes, float* scales, float* minima, float* sums, float* levels)
        where TRows : struct, IConstant where TCodes : struct, IConstant
    {
        V c00 = L.Load(sums), c01 = L.Load(sums + L.Width), c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        V low = TCodes.Value == 0 ? default : L.Load(levels), high = TCodes.Value == 0 ? default : L.Load(levels + L.Width);
        if (TRows.Value > 1)
            (c10, c11) = (L.Load(sums + Width), L.Load(sums + Width + L.Width));
        if (TRows.Value > 2)
            (c20, c21) = (L.Load(sums + 2 * Width), L.Load(sums + 2 * Width + L.Width));
        if (TRows.Value > 3)
            (c30, c31) = (L.Load(sums + 3 * Width), L.Load(sums + 3 * Width + L.Width));
        do
        {
            V scale0 = L.Load(scales), scale1 = L.Load(scales + L.Width), minimum0 = L.Load(minima), minimum1 = L.Load(minima + L.Width);
            for (float* end = a + 16; a != end; a += 4, codes += L.Width)
            {
                V p = L.Load(codes), q = L.Load(codes + 4 * L.Width);
                Step<TRows>(Code<TCodes>(p, 0, low, high), Code<TCodes>(q, 0, low, high), scale0, scale1, minimum0, minimum1, a, rowA, ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31);
                Step<TRows>(Code<TCodes>(p, 1, low, high), Code<TCodes>(q, 1, low, high), scale0, scale1, minimum0, minimum1, a + 1, rowA, ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31);
                Step<TRows>(Code<TCodes>(p, 2, low, high), Code<TCodes>(q, 2, low, high), scale0, scale1, minimum0, minimum1, a + 2, rowA, ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31);
                Step<TRows>(Code<TCodes>(p, 3, low, high), Code<TCodes>(q, 3, low, high), scale0, scale1, minimum0, minimum1, a + 3, rowA, ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31);
            }
            codes += CodesOf16 - 4 * L.Width;
            scales += Width;
            minima += Width;
        }
        while (--sixteens != 0);
        Store(sums, c00, c01);
        if (TRows.Value > 1)
            Store(sums + Width, c10, c11);
        if (TRows.Value > 2)
            Store(sums + 2 * Width, c20, c21);
        if (TRows.Value > 3)
            Store(sums + 3 * Width, c30, c31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Code<TCodes>(V packed, int i, V low, V high) where TCodes : struct, IConstant => TCodes.Value == 0 ? L.FromByte(packed, i) : L.FromTable(packed, i, low, high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TRows>(V b0, V b1, V scale0, V scale1, V minimum0, V minimum1, float* a, nint rowA,
        ref V c00, ref V c01, ref V c10, ref V c11, ref V c20, ref V c21, ref V c30, ref V c31) where TRows : struct, IConstant
    {
        b0 = L.Subtract(L.Multiply(b0, scale0), minimum0);
        b1 = L.Subtract(L.Multiply(b1, scale1), minimum1);
        Add(*a, b0, b1, ref c00, ref c01);
        if (TRows.Value > 1)
            Add(a[rowA], b0, b1, ref c10, ref c11);
        if (TRows.Value > 2)
            Add(a[2 * rowA], b0, b1, ref c20, ref c21);
        if (TRows.Value > 3)
            Add(a[3 * rowA], b0, b1, ref c30, ref c31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float a, V b0, V b1, ref V c0, ref V c1)
    {
        V spread = L.Broadcast(a);
        c0 = L.MultiplyAdd(spread, b0, c0);
        c1 = L.MultiplyAdd(spread, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* to, V c0, V c1)
    {
        L.Store(c0, to);
        L.Store(c1, to + L.Width);
    }

    /// <summary>C = alpha·sums + beta·C, as the tiles of other products have it.</summary>
    private static void Put(in GemmCall call, int m0, int m1, int n, int width, float* sums, float beta)
    {
        float* edge = stackalloc float[L.Width];
        V alphas = L.Broadcast(call.Alpha), betas = L.Broadcast(beta);
        for (int m = m0; m < m1; m++)
        {
            float* c = call.C + (nint)m * call.StrideC + n;
            for (int j = 0; j < width; j += L.Width)
            {
                int count = Math.Min(L.Width, width - j);
                float* to = count < L.Width ? edge : c + j;
                if (count < L.Width && beta != 0)
                    new Span<float>(c + j, count).CopyTo(new Span<float>(edge, count));
                V sum = L.Load(sums + (m - m0) * Width + j);
                L.Store(beta != 0 ? L.MultiplyAdd(alphas, sum, L.Multiply(betas, L.Load(to))) : L.Multiply(alphas, sum), to);
                if (count < L.Width)
                    new Span<float>(edge, count).CopyTo(new Span<float>(c + j, count));
            }
        }
    }

    /// <summary>Codes are the numbers themselves.</summary>
    private readonly struct Numbers : IConstant
    {
        public static int Value => 0;
    }

    /// <summary>Codes number the entries of a table.</summary>
    private readonly struct Table : IConstant
    {
        public static int Value => 1;
    }
}
