#if UNOPTIMISED
namespace Marrow.Engine.Tests.Unoptimised;
#else
namespace Marrow.Engine.Tests.Jit;
#endif

/// <summary>Programs whose result depends on the way through loops and branches.</summary>
internal static class AdversarialFlow
{
    private static uint Mixed(uint h, int v) => (h ^ (uint)v) * 0x01000193u;

    public readonly struct BreaksFromDepths : IProgram
    {
        public static int Of(int a, int b)
        {
            uint h = 1;
            for (int i = 0; i < 6; i++)
            {
                for (int j = 0; j < 5; j++)
                {
                    for (int k = 0; k < 4; k++)
                    {
                        h = Mixed(h, i * 100 + j * 10 + k);
                        if (((a >> (i + j + k)) & 1) != 0)
                            goto next;
                        if (((b >> (i + j)) & 7) == 5)
                            goto done;
                        if ((h & 15) == 3)
                            break;
                        if ((h & 31) == 4)
                            continue;
                        h += 7;
                    }
                    h = Mixed(h, j);
                    if ((h & 63) == 9)
                        break;
                }
                int tail = i * 3 + (int)(h & 7);
                h = Mixed(h, tail);
            next:
                h ^= 0x55u;
            }
            int rest = (int)(h & 0xff) + 1;
            h = Mixed(h, rest);
        done:
            return (int)(h >> 1);
        }
    }

    public readonly struct WhileContinuesOuter : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = a & 31, y = b & 31, r = 0;
        again:
            while (x > 0)
            {
                x--;
                int z = y;
                while (z > 0)
                {
                    z -= 2;
                    r++;
                    if ((z ^ x) == 6)
                        goto again;
                    if (z + x == 9)
                        goto end;
                }
                r += z * 16;
                y ^= r & 15;
            }
        end:
            return r * 32 + x + y;
        }
    }

    public readonly struct DoWhile : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = a & 255, n = 0;
            do
            {
                int y = x & 7;
                do
                {
                    if (y == 5)
                        break;
                    y++;
                    if ((y & 1) == 0)
                        continue;
                    n += y;
                }
                while (y < 6);
                x -= y + 1;
                if (n > 500)
                    break;
                if (x == 17)
                    continue;
                n++;
            }
            while (x > (b & 7));
            return n * 100 + x;
        }
    }

    public readonly struct CounterChanged : IProgram
    {
        public static int Of(int a, int b)
        {
            int r = 0, i;
            for (i = a & 7; i < 40; i += 3)
            {
                if ((i & 3) == (b & 3))
                    i++;
                if (i == 22)
                    continue;
                r += i;
                for (int j = i; j < 12; j++)
                {
                    if (j == 9)
                        i++;
                    r ^= j;
                }
            }
            int last = i;
            for (; i > 0; i -= 5)
                r += i * 2;
            return r * 64 + last + i;
        }
    }

    public readonly struct ReturnsInLoops : IProgram
    {
        private static int Find(int a, int b)
        {
            for (int i = 0; i < 10; i++)
            {
                if (i == (a & 15))
                    return i;
                int j = i;
                while (true)
                {
                    j += 2;
                    if (j == (b & 31))
                        return 100 + i;
                    if (j > 20)
                        break;
                }
                if (a < 0 && i > 6)
                    return -i;
            }
            return b < 0 ? -1000 : 1000;
        }

        public static int Of(int a, int b) => Find(a, b) * 3 + Find(b, a);
    }

    public readonly struct KeptAcrossIterations : IProgram
    {
        public static int Of(int a, int b)
        {
            int last = -1, best = 0, run = 0;
            for (int i = 0; i < 32; i++)
            {
                int bit = (a >> i) & 1, value = bit == last ? run + 1 : 1;
                run = value;
                last = bit;
                if (run > best)
                    best = run;
                bool first = i == 0;
                int seen;
                if (first)
                    seen = 3;
                else
                    seen = run;
                best += seen == 5 ? 1 : 0;
            }
            return best * 100 + run + (b & 1);
        }
    }

    public readonly struct ReusedSlots : IProgram
    {
        public static int Of(int a, int b)
        {
            int r = 0;
            if (a > b)
            {
                int x = a & 255, y = x * 2;
                for (int i = 0; i < 3; i++)
                    r += x * y + i;
            }
            else
            {
                int p = b & 127;
                int q = p - 5;
                for (int k = 4; k > 0; k--)
                    r -= p * q - k;
            }
            {
                uint u = (uint)a;
                uint w = u >> 3;
                r ^= (int)(u ^ w);
            }
            {
                int s = a;
                int t = s >> 3;
                r ^= s ^ t;
            }
            for (int i = 0; i < 2; i++)
            {
                int five = 5, two;
                two = i == 0 ? five : 2;
                r += five * two;
                five = i;
                r ^= five;
            }
            return r;
        }
    }

    public readonly struct ConstantsInBranches : IProgram
    {
        public static int Of(int a, int b)
        {
            int limit, step = 2;
            float scale;
            if (a > 0)
            {
                limit = 9;
                scale = 0.5f;
            }
            else
            {
                limit = 4;
                scale = -0.25f;
            }
            int r = 0, one = 1;
            while (r < limit)
            {
                int inner = 3;
                r += one * step;
                if (r > inner)
                    step = one;
            }
            return r + (int)(scale * 8) * step + (b & 1) * one;
        }
    }

    public readonly struct Chains : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = a > 0 ? b > 0 ? 1 : b < -5 ? 2 : 3 : b == 0 ? 4 : a == b ? 5 : 6;
            int y = (a > 3 && b > 3) || (a < -3 && b < -3) ? (a & 1) == 0 || (b & 1) == 0 ? 7 : 8 : !(a == 0 || b == 0) && a != b ? 9 : 10;
            bool z = (a > b ? a > 5 : b > 5) && (x > y ? a < 100 : b < 100);
            bool w = a > b == (a > 5) ^ (x == 3 || y == 9);
            int v = -(a > 0 ? x : y) - -(b > 0 ? y : x) + (z ? 1 : 0) * (w ? 2 : 3);
            return (x * 16 + y) * 16 + v + (z ? 1 << 12 : 0) + (w ? 1 << 13 : 0);
        }
    }

    public readonly struct SharedTails : IProgram
    {
        public static int Of(int a, int b)
        {
            int r = 0;
            if (a > 0)
            {
                if (b > 0)
                    goto both;
                r = 1;
                if (b == -1)
                    goto both;
            }
            else if (b > 0)
            {
                r = 2;
                if (a == -1)
                    goto neither;
            }
            else
            {
                goto neither;
            }
            r += 10;
        both:
            int d = (a & 7) + r;
            r += 100 + d;
        neither:
            return r * 2 + 1;
        }
    }

    public readonly struct EndlessWithExits : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = a & 1023, y = b & 1023, n = 0;
            while (true)
            {
                if (x > y)
                {
                    x -= 3;
                    if (x < 50)
                    {
                        n += 1000;
                        break;
                    }
                }
                else if (x < y)
                {
                    y -= 5;
                    if (y < 20)
                        return n * 2 - y;
                    if ((y & 3) == 0)
                        continue;
                }
                else
                {
                    n += 5000;
                    break;
                }
                n++;
                for (; ; )
                {
                    if ((n & 3) == 2)
                        break;
                    n++;
                    if (n > 3000)
                        return n;
                }
            }
            return n + x * 3 - y;
        }
    }

    public readonly struct LongCounters : IProgram
    {
        public static int Of(int a, int b)
        {
            long sum = 0;
            for (long i = (long)a * 1000003; i < (long)a * 1000003 + 10; i += 3)
                sum += i % 1000;
            for (uint u = 5; u != uint.MaxValue; u--)
                sum += u;
            for (ulong u = (ulong)(b & 7) + 0xfffffffffffffff0UL; u > 7; u++)
                sum ^= (long)(u >> 60);
            for (byte c = 250; c > 5; c++)
                sum += c;
            for (sbyte s = 120; s > 0; s++)
                sum += s;
            for (short s = 32765; s > 0; s++)
                sum += s;
            return (int)sum ^ (int)(sum >> 32);
        }
    }

    public readonly struct UnreadLocals : IProgram
    {
        public static int Of(int a, int b)
        {
            int r = a & 7;
            if (a > b)
            {
                int unread = a;
            }
            for (int i = 0; i < 3; i++)
            {
                float unread = r;
            }
            if (a < b)
            {
                int read = b & 15;
                r += read;
            }
            else
                r -= (r & 3) > 1 ? 1 : 2;
            return r;
        }
    }

    public readonly struct LoopInCondition : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = a & 63, n = 0;
            while ((x & 1) == 0 ? x > 2 : x > (b > 0 ? 9 : 13))
            {
                x -= (x & 4) != 0 ? 3 : 1;
                n += (n & 1) == 0 && x > 5 || x == 3 ? 2 : 1;
            }
            for (int i = 0; (i & 1) == 0 ? i < n : i < x; i += n > 4 ? 2 : 1)
                n -= i > 3 ? 1 : 0;
            return n * 64 + x;
        }
    }
}
