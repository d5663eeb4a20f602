using System.Numerics;

#if UNOPTIMISED
namespace Marrow.Engine.Tests.Unoptimised;
#else
namespace Marrow.Engine.Tests.Jit;
#endif

/// <summary>Programs whose result depends on widths, signs and roundings.</summary>
internal static class AdversarialNumbers
{
    private static readonly uint s_top = 0x80000000u;
    private static readonly sbyte s_minus = -3;
    private static readonly long s_wide = -5_000_000_000L;

    private static float Float(int v) => BitConverter.Int32BitsToSingle(v);

    private static int Fold(long v) => (int)v ^ (int)(v >> 32);

    private static int Fold(ulong v) => (int)v ^ (int)(v >> 32);

    private static int Flags(bool a, bool b, bool c, bool d, bool e, bool f) => (a ? 1 : 0) | (b ? 2 : 0) | (c ? 4 : 0) | (d ? 8 : 0) | (e ? 16 : 0) | (f ? 32 : 0);

    public readonly struct Shifts : IProgram
    {
        public static int Of(int a, int b)
        {
            uint u = (uint)a;
            long l = ((long)a << 32) | (uint)b;
            ulong w = (ulong)l;
            int r = (a << b) ^ (a >> b) ^ (a >>> b) ^ (int)(u << b) ^ (int)(u >> b);
            r ^= Fold(l << b) ^ Fold(l >> b) ^ Fold(l >>> b) ^ Fold(w << b) ^ Fold(w >> b);
            r ^= (a << 33) ^ (a >> 35) ^ Fold(l >> 65) ^ (int)(u >> 31) ^ (int)(w >> 63) ^ (-1 >> b) ^ (int)(0xf0000000u >> (b & 7)) ^ (1 << b) ^ Fold(1UL << b) ^ Fold(1L << b);
            r ^= (byte)a << 3 ^ (sbyte)a >> 2 ^ (short)b << 16 ^ (ushort)b >> 1 ^ (sbyte)b >>> 28;
            return r;
        }
    }

    public readonly struct Narrow : IProgram
    {
        public static int Of(int a, int b)
        {
            byte x = (byte)a;
            sbyte y = (sbyte)a;
            short z = (short)b;
            ushort w = (ushort)b;
            x++;
            y -= 3;
            z *= 5;
            w += x;
            x <<= 1;
            y >>= 1;
            z ^= (short)w;
            int r = x + y * 3 + z * 5 + w * 7;
            r ^= (byte)(x + y) ^ (sbyte)(x * 3) ^ (short)(w + z) ^ (ushort)(y - 1) ^ (byte)-x ^ (sbyte)~w;
            return r ^ (x == (byte)(a + 1) ? 1 << 20 : 0) ^ (y < 0 ? 1 << 21 : 0) ^ (w > 40000 ? 1 << 22 : 0) ^ (z < x ? 1 << 23 : 0);
        }
    }

    public readonly struct Widened : IProgram
    {
        public static int Of(int a, int b)
        {
            uint u = (uint)a;
            long l = (long)a * b, m = u, n = (uint)b * 3L;
            ulong p = (ulong)a, q = (ulong)(uint)b, s = u * (ulong)b;
            long t = (sbyte)a * (long)(ushort)b, v = (byte)a - (long)u;
            long mixed = a + u, negative = -u;
            int r = Fold(l) ^ Fold(m) ^ Fold(n) ^ Fold(p) * 3 ^ Fold(q) ^ Fold(s) ^ Fold(t) ^ Fold(v) ^ Fold(mixed) * 5 ^ Fold(negative);
            r ^= l > m ? 1 : 0;
            r ^= p > q ? 2 : 0;
            r ^= m < n ? 4 : 0;
            r ^= a < u ? 8 : 0;
            r ^= (long)p < l ? 16 : 0;
            r ^= a == (int)u ? 32 : 0;
            r ^= (ulong)l >= s ? 64 : 0;
            return r ^ Fold(s_wide + a) ^ Fold(long.MinValue + (a & 0xffff)) ^ Fold(0x123456789abcdefL ^ b) ^ Fold(0xfedcba9876543210UL - u);
        }
    }

    public readonly struct SignsOfComparisons : IProgram
    {
        public static int Of(int a, int b)
        {
            uint u = (uint)a, v = (uint)b;
            int r = Flags(a < b, u < v, (int)u < b, u < (uint)b, (int)u >= 0, (int)(u ^ v) < 0);
            r |= Flags((int)(u - v) < 0, (int)(u >> 1) > (int)v, (a > 0 ? a : (int)u) < 0, (u & s_top) != 0, u > s_top, (int)(u + 5) < (int)v) << 6;
            int w = (int)u;
            bool below = w < 0;
            int x = a > 3 ? (int)(u + v) : b;
            bool negative = x < 0;
            long l = w, m = (int)(u * v);
            r |= Flags(below, negative, l < 0, m < 0, x >> 1 < 0, (uint)x >> 1 > 0x3fffffffu) << 12;
            r |= Flags((int)u / 3 < 0, (int)v % 7 < 0, u / 3 > 0x20000000, (float)(int)u < 0f, (float)u < 0f, (long)(int)u < 0) << 18;
            return r;
        }
    }

    public readonly struct Quotients : IProgram
    {
        public static int Of(int a, int b)
        {
            int d = b is 0 or -1 ? 3 : b;
            uint u = (uint)a, v = (uint)d;
            long l = (long)a << 20, m = (long)d * 7 + 1;
            int r = a / d ^ a % d * 3 ^ (int)(u / v) ^ (int)(u % v) ^ Fold(l / m) ^ Fold(l % m) ^ Fold((ulong)l / (ulong)m) ^ Fold((ulong)l % (ulong)m);
            r ^= a / 7 ^ a % 7 ^ a / -7 ^ a % -7 ^ a / 8 ^ a % 8 ^ (int)(u / 7) ^ (int)(u % 10) ^ Fold(l / -11) ^ Fold((ulong)l % 13);
            r ^= (byte)a / 3 ^ (sbyte)a / 3 ^ (sbyte)a % 5 ^ (short)a / (sbyte)-7 ^ (int)(u / (byte)200) ^ a / s_minus;
            return r;
        }
    }

    public readonly struct Signs : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = a & 0xfff, y = b & 0xfff;
            int r = -x - -y - (-x - y) + - -x * -3 - (x - (y - 5)) + ~-x - -~y;
            r += x - (y - x) * (x - y) / (1 + (x & 3)) % (y + 1) - (x % (y + 7) - y);
            r ^= (x & y) == 0 ? x | y & 5 ^ 3 : (x ^ y) & ~(x | 1) << 2 >> 1;
            r ^= (x + y << 2) - (x >> 1 + (y & 3)) | x & 3 - 1;
            float f = -(float)x - -(float)y;
            f = -f - (-3f - f) * -(1f - f);
            uint n = 0u - (uint)x;
            return r ^ (int)f ^ (int)n ^ (int)(0 - (long)n) ^ (int)-(long)(uint)-x;
        }
    }

    public readonly struct NotANumber : IProgram
    {
        public static int Of(int a, int b)
        {
            float x = Float(a), y = Float(b);
            int r = Flags(x < y, x <= y, x > y, x >= y, x == y, x != y) | Flags(!(x < y), !(x <= y), !(x > y), !(x >= y), !(x == y), !(x != y)) << 6;
            int n = 0;
            if (x < y)
                n |= 1;
            if (x <= y)
                n |= 2;
            if (x > y)
                n |= 4;
            if (x >= y)
                n |= 8;
            if (x == y)
                n |= 16;
            if (!(x < y) && !(x > y) || float.IsNaN(x))
                n |= 32;
            for (float z = x; !(z > y) && n < 1024; z += 1e30f)
                n += 64;
            while (!(x >= y || n >= 4000))
                n += 1000;
            return r | n << 12;
        }
    }

    public readonly struct FloatChoices : IProgram
    {
        public static int Of(int a, int b)
        {
            float x = a, y = (uint)b;
            float z = a > b ? 0f : -0f;
            float w = a > 0 ? float.PositiveInfinity : b > 0 ? float.NegativeInfinity : float.NaN;
            float v = x * 0.5f + (y - 1.5e-7f) / 3e10f;
            return BitConverter.SingleToInt32Bits(z) ^ Flags(w > x, w < y, float.IsNaN(w), z == 0f, v > x, x < y) ^ (int)(BitConverter.SingleToUInt32Bits(x) >> 3) ^ BitConverter.SingleToInt32Bits((float)(ulong)(long)a);
        }
    }

    public readonly struct FloatToInteger : IProgram
    {
        public static int Of(int a, int b)
        {
            float x = Float(a), y = b * 1.75f;
            int r = (int)x ^ (int)y * 3 ^ (int)(uint)x ^ (int)(uint)y * 5 ^ Fold((long)x) ^ Fold((long)y) ^ Fold((ulong)x) * 7 ^ Fold((ulong)y);
            return r ^ (byte)y ^ (sbyte)x ^ (short)y ^ (ushort)x;
        }
    }

    public readonly struct IntegerToFloat : IProgram
    {
        public static int Of(int a, int b)
        {
            uint u = (uint)a;
            long l = ((long)a << 20) + b;
            int r = BitConverter.SingleToInt32Bits(a) ^ BitConverter.SingleToInt32Bits(u) * 3 ^ BitConverter.SingleToInt32Bits(l) ^ BitConverter.SingleToInt32Bits((ulong)l) * 5;
            r ^= BitConverter.SingleToInt32Bits((int)u) * 7 ^ BitConverter.SingleToInt32Bits((sbyte)a + (float)(byte)b) ^ BitConverter.SingleToInt32Bits((int)(u >> 1 ^ (uint)b));
            return r ^ BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle((ushort)b)) ^ BitConverter.SingleToInt32Bits(BitConverter.UInt32BitsToSingle((byte)b)) ^ (int)BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(7));
        }
    }

    public readonly struct Extremes : IProgram
    {
        public static int Of(int a, int b)
        {
            int s = a == int.MinValue ? 0 : a;
            uint u = (uint)a, v = (uint)b;
            long l = (long)s << 31;
            int r = Math.Max(a, b) ^ Math.Min(a, 17) * 3 ^ (int)Math.Max(u, 3u) ^ (int)Math.Min(v, u) * 5 ^ Fold(Math.Max(l, b)) ^ Fold(Math.Min((ulong)l, v));
            r ^= Math.Abs(s) - 5 < 0 ? 1 : 0;
            r ^= Math.Abs(s) / -3 ^ -Math.Abs(s) ^ Fold(Math.Abs(l) - 7) ^ (Math.Abs(l) - (1L << 40) < 0 ? 2 : 0) ^ Fold((long)-Math.Abs((short)(b & 0xfff)));
            r ^= Math.Clamp(a, -100, 100) * 7 ^ (int)Math.Clamp(u, 5, v | 7) ^ Math.Max((byte)a, (byte)b) ^ Math.Min((sbyte)a, (sbyte)b) ^ Math.Max((short)a, (ushort)b);
            return r ^ Math.Max(3, 5) ^ (int)Math.Min(3u, 7u) ^ Fold(Math.Max(1L << 40, 3)) ^ Math.Abs(-4) ^ Math.Clamp(9, 1, 4) ^ Math.Max((byte)3, (byte)9);
        }
    }

    public readonly struct Counts : IProgram
    {
        public static int Of(int a, int b)
        {
            ulong w = (ulong)(uint)a << 16 | (uint)b;
            return BitOperations.PopCount((uint)a) + BitOperations.PopCount(w) * 100 + BitOperations.LeadingZeroCount((uint)b) * 10000 + BitOperations.LeadingZeroCount(w) * 1000000
                + BitOperations.PopCount((byte)a) - BitOperations.LeadingZeroCount((ushort)b) + BitOperations.PopCount(0xffUL) + BitOperations.LeadingZeroCount(1UL);
        }
    }

    public readonly struct Folded : IProgram
    {
        public static int Of(int a, int b)
        {
            int big = int.MaxValue, four = 4, minus = -7;
            uint ubig = uint.MaxValue, one = 1;
            long wide = long.MinValue, negative = -1;
            ulong uwide = ulong.MaxValue;
            byte small = 250;
            int r = unchecked(big + four) ^ unchecked(big * minus) ^ minus / 2 ^ minus % 4 ^ minus >> 1 ^ minus >>> 28 ^ (int)(ubig / 3 + one) ^ (int)(ubig * ubig);
            r ^= Fold(wide + negative) ^ Fold(wide * 3) ^ Fold(uwide / 5) ^ Fold(uwide >> 3) ^ (uwide > 5 ? 1 : 2) ^ (wide < negative ? 4 : 8) ^ (minus < four ? 16 : 32) ^ (ubig > one ? 64 : 128);
            r ^= (byte)(small + four * 2) ^ (sbyte)small ^ four << 30 ^ four << 31 ^ (int)(one << 31) ^ (int)((uint)minus >> 3) ^ Fold((ulong)minus) ^ Fold((long)(uint)minus);
            int zero = four - 4;
            return r ^ (a + zero) ^ (b | zero) ^ (a << zero) ^ (int)((uint)b + (uint)zero) ^ (zero | a) ^ a * (zero + 1) ^ (big > 0 ? a : b);
        }
    }

    public readonly struct Roundings : IProgram
    {
        public static int Of(int a, int b)
        {
            float x = a % 1000 * 0.25f, y = b % 100 * 0.5f;
            float r = MathF.Round(x) * 3 + MathF.Floor(y) - MathF.Ceiling(x) * 5 + MathF.Truncate(y) * 7 + MathF.Abs(x) - MathF.Max(x, y) * 2 + MathF.Min(x, -y);
            return (int)(r * 4) ^ (int)MathF.Sqrt((a & 31) * (a & 31)) ^ (float.IsNaN(x / y * 0f) ? 1 << 20 : 0);
        }
    }
}
