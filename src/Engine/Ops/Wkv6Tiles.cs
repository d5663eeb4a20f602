using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;

namespace Marrow.Engine;

/// <summary>
/// The inner loops of <see cref="Wkv6Node"/> on the processor over the tokens of one chunk, with a piece of the state in registers. Their operands
/// lie in work memory in the order in which they are read, so that a loop has few pointers.
/// </summary>
internal static unsafe class Wkv6Tiles<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    private const int Tokens = Wkv6Node.ChunkTokens;

    /// <summary>Keys that forward holds at once, and the floats that it reads for them per token: r, w and k of each.</summary>
    public const int Keys = 8, KeyFloats = 3 * Keys;

    /// <summary>Floats that backward reads and writes per token for four rows: v, dy, dv.</summary>
    public const int RowFloats = 12;

    /// <summary>Floats per token of one vector of keys in backward: r, w, k, dr, dk, dw.</summary>
    public static int SumFloats => 6 * L.Width;

    /// <summary>Floats of backward's work memory: four rows of the state before each token, and their products with k.</summary>
    public static int PathFloats => 2 * Tokens * 4 * L.Width;

    /// <summary>
    /// Moves one vector of values of the transposed state, [keys, stride], over the tokens, and adds S_{t−1}·r to y. keys: [blocks of eight, 16, r w k of each];
    /// values: [16, v y], one vector each.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Forward(float* state, nint stride, float* keys, int blocks, float* values, int tokens)
    {
        for (; blocks > 0; blocks--, state += Keys * stride, keys += Tokens * KeyFloats)
        {
            float* upper = state + 4 * stride;
            V s0 = L.Load(state), s1 = L.Load(state + stride), s2 = L.Load(state + 2 * stride), s3 = L.Load(state + 3 * stride);
            V s4 = L.Load(upper), s5 = L.Load(upper + stride), s6 = L.Load(upper + 2 * stride), s7 = L.Load(upper + 3 * stride);
            float* key = keys, value = values;
            for (int t = tokens; t > 0; t--, key += KeyFloats, value += 2 * L.Width)
            {
                V v = L.Load(value), even = L.Load(value + L.Width), odd = L.Multiply(s1, L.Broadcast(key[1]));
                even = L.MultiplyAdd(s0, L.Broadcast(key[0]), even);
                even = L.MultiplyAdd(s2, L.Broadcast(key[2]), even);
                odd = L.MultiplyAdd(s3, L.Broadcast(key[3]), odd);
                even = L.MultiplyAdd(s4, L.Broadcast(key[4]), even);
                odd = L.MultiplyAdd(s5, L.Broadcast(key[5]), odd);
                even = L.MultiplyAdd(s6, L.Broadcast(key[6]), even);
                odd = L.MultiplyAdd(s7, L.Broadcast(key[7]), odd);
                L.Store(L.Add(even, odd), value + L.Width);
                s0 = Next(s0, v, key);
                s1 = Next(s1, v, key + 1);
                s2 = Next(s2, v, key + 2);
                s3 = Next(s3, v, key + 3);
                s4 = Next(s4, v, key + 4);
                s5 = Next(s5, v, key + 5);
                s6 = Next(s6, v, key + 6);
                s7 = Next(s7, v, key + 7);
            }
            L.Store(s0, state);
            L.Store(s1, state + stride);
            L.Store(s2, state + 2 * stride);
            L.Store(s3, state + 3 * stride);
            L.Store(s4, upper);
            L.Store(s5, upper + stride);
            L.Store(s6, upper + 2 * stride);
            L.Store(s7, upper + 3 * stride);
        }
    }

    /// <summary>
    /// Takes the gradient of four rows of the state, gradient: [4, stride], over the tokens in reverse. state: the rows before the first token; sums: [blocks of
    /// one vector of keys, 16, r w k dr dk dw], the last three added to (dw: of the decay itself); rows: [16, v dy dv], dv added to.
    /// </summary>
    public static void Backward(float* state, float* gradient, int stride, float* sums, float* rows, float* path, int tokens)
    {
        new Span<float>(path + PathFloats / 2, PathFloats / 2).Clear();
        for (int j = 0; j < stride; j += L.Width, sums += Tokens * SumFloats)
            Block(state + j, gradient + j, stride, sums, rows, path, tokens);
        float* product = path + PathFloats / 2;
        for (int t = 0; t < tokens; t++, product += 4 * L.Width)
        {
            float* dv = rows + t * RowFloats + 8;
            (LaneSums<L, V>.Four(L.Load(product), L.Load(product + L.Width), L.Load(product + 2 * L.Width), L.Load(product + 3 * L.Width)) + Vector128.Load(dv)).Store(dv);
        }
    }

    /// <summary>As <see cref="Backward"/> where nothing but the gradient of the initial state is wanted.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void StateGradient(float* gradient, nint stride, float* sums, float* rows, int tokens)
    {
        for (nint j = 0; j < stride; j += L.Width, sums += Tokens * SumFloats)
        {
            float* upper = gradient + j + 2 * stride;
            V g0 = L.Load(gradient + j), g1 = L.Load(gradient + j + stride), g2 = L.Load(upper), g3 = L.Load(upper + stride);
            for (nint t = tokens - 1; t >= 0; t--)
            {
                float* key = sums + t * SumFloats, row = rows + t * RowFloats;
                V r = L.Load(key), w = L.Load(key + L.Width);
                g0 = Before(g0, w, L.Broadcast(row[4]), r);
                g1 = Before(g1, w, L.Broadcast(row[5]), r);
                g2 = Before(g2, w, L.Broadcast(row[6]), r);
                g3 = Before(g3, w, L.Broadcast(row[7]), r);
            }
            L.Store(g0, gradient + j);
            L.Store(g1, gradient + j + stride);
            L.Store(g2, upper);
            L.Store(g3, upper + stride);
        }
    }

    // One vector of keys: the states before each token first, then the tokens in reverse.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Block(float* state, float* gradient, nint stride, float* sums, float* rows, float* path, int tokens)
    {
        V g0 = L.Load(state), g1 = L.Load(state + stride), g2 = L.Load(state + 2 * stride), g3 = L.Load(state + 3 * stride);
        float* key = sums, row = rows, p = path;
        for (int t = tokens - 1; ; t--)
        {
            L.Store(g0, p);
            L.Store(g1, p + L.Width);
            L.Store(g2, p + 2 * L.Width);
            L.Store(g3, p + 3 * L.Width);
            if (t == 0)
                break;
            V w = L.Load(key + L.Width), k = L.Load(key + 2 * L.Width);
            g0 = Before(g0, w, L.Broadcast(row[0]), k);
            g1 = Before(g1, w, L.Broadcast(row[1]), k);
            g2 = Before(g2, w, L.Broadcast(row[2]), k);
            g3 = Before(g3, w, L.Broadcast(row[3]), k);
            key += SumFloats;
            row += RowFloats;
            p += 4 * L.Width;
        }
        g0 = L.Load(gradient);
        g1 = L.Load(gradient + stride);
        g2 = L.Load(gradient + 2 * stride);
        g3 = L.Load(gradient + 3 * stride);
        for (int t = tokens; t > 0; t--)
        {
            V r = L.Load(key), w = L.Load(key + L.Width), k = L.Load(key + 2 * L.Width);
            V dr = L.Load(key + 3 * L.Width), dk = L.Load(key + 4 * L.Width), dw = L.Load(key + 5 * L.Width);
            float* product = p + Tokens * 4 * L.Width;
            g0 = Token(g0, p, row, r, w, k, ref dr, ref dk, ref dw, product);
            g1 = Token(g1, p + L.Width, row + 1, r, w, k, ref dr, ref dk, ref dw, product + L.Width);
            g2 = Token(g2, p + 2 * L.Width, row + 2, r, w, k, ref dr, ref dk, ref dw, product + 2 * L.Width);
            g3 = Token(g3, p + 3 * L.Width, row + 3, r, w, k, ref dr, ref dk, ref dw, product + 3 * L.Width);
            L.Store(dr, key + 3 * L.Width);
            L.Store(dk, key + 4 * L.Width);
            L.Store(dw, key + 5 * L.Width);
            key -= SumFloats;
            row -= RowFloats;
            p -= 4 * L.Width;
        }
        L.Store(g0, gradient);
        L.Store(g1, gradient + stride);
        L.Store(g2, gradient + 2 * stride);
        L.Store(g3, gradient + 3 * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Next(V s, V v, float* key) => L.MultiplyAdd(s, L.Broadcast(key[Keys]), L.Multiply(v, L.Broadcast(key[2 * Keys])));

    // A row of the state, or of its gradient, over one token.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Before(V s, V w, V a, V b) => L.MultiplyAdd(s, w, L.Multiply(a, b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Token(V g, float* state, float* row, V r, V w, V k, ref V dr, ref V dk, ref V dw, float* product)
    {
        V p = L.Load(state), dy = L.Broadcast(row[4]);
        dr = L.MultiplyAdd(p, dy, dr);
        dk = L.MultiplyAdd(g, L.Broadcast(row[0]), dk);
        dw = L.MultiplyAdd(g, p, dw);
        L.Store(L.MultiplyAdd(g, k, L.Load(product)), product);
        return Before(g, w, dy, r);
    }
}
