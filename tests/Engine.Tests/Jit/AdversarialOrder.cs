using System.Numerics;

#if UNOPTIMISED
namespace Marrow.Engine.Tests.Unoptimised;
#else
namespace Marrow.Engine.Tests.Jit;
#endif

/// <summary>Programs whose result depends on when a value is read: stores, calls, references and vectors within one expression.</summary>
internal static class AdversarialOrder
{
    private static int Bump(ref int a)
    {
        a = (a + 1) & 0xffff;
        return a;
    }

    private static int Swap(ref int a, ref int b)
    {
        int old = a;
        a = b;
        b = old;
        return a - b;
    }

    private static void Next(ref int a) => a = (a & 0xffff) * 3 + 1;

    private static int Small(int v) => v & 0x3fff;

    private static ref int Larger(ref int a, ref int b)
    {
        if (a > b)
            return ref a;
        return ref b;
    }

    private static void Scale(ref Vector4 v, float s)
    {
        v.X *= s;
        v.W = v.X + v.Y;
    }

    private static float Take(ref float place)
    {
        float old = place;
        place = old + 1f;
        return old;
    }

    public readonly struct AssignInside : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            int r = x + (x = y) * 2 + x;
            return r + x * 10000;
        }
    }

    public readonly struct IncrementsInside : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            int r = x++ + ++x - x-- * 2 + --x;
            r += y++ * x + y;
            r -= r - (r = 7) + r;
            return r + x + y * 3;
        }
    }

    public readonly struct CallBeforeRead : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a);
            return Bump(ref x) * 3 + x;
        }
    }

    public readonly struct ReadBeforeCall : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a);
            return x * 3 + Bump(ref x) - x;
        }
    }

    public readonly struct CallsInARow : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            int r = Bump(ref x) * Bump(ref y) - Swap(ref x, ref y) + x * 5 - (Bump(ref x) + y);
            return Bump(ref r) + x - Bump(ref r);
        }
    }

    public readonly struct CallInCondition : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b), r = 0;
            if (x > y && Bump(ref x) > Bump(ref y) || Swap(ref x, ref y) > 3 && x++ > 5)
                r = 1;
            while (Bump(ref x) % 7 != 0 && r < 50)
                r += x & 3;
            return r * 1000 + (x ^ y);
        }
    }

    public readonly struct CallInChoice : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            int r = x + (x > y ? Bump(ref x) : y > 100 ? Bump(ref y) : x) + x + y;
            r = (r & 1) == 0 ? r + Bump(ref r) : Bump(ref r) - r;
            return r;
        }
    }

    public readonly struct LocalReference : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            ref int r = ref x;
            int s = x + (r = 5) + x;
            r = ref y;
            s += y * (r = 9) + y;
            r += s;
            return x + y * 3 + s;
        }
    }

    public readonly struct ChosenReference : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            ref int r = ref x > y ? ref x : ref y;
            int s = x - y + (r = 3) + x * 2 + y;
            return s + x * 7 + y;
        }
    }

    public readonly struct ReturnedReference : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            int s = x + (Larger(ref x, ref y) = 11) + x + y;
            Larger(ref x, ref y)++;
            Larger(ref x, ref y) += x;
            return s * 5 + x - y;
        }
    }

    public readonly struct ReferenceToCall : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a);
            ref int r = ref x;
            int s = x + Bump(ref r) + x;
            Next(ref r);
            return s - x;
        }
    }

    public readonly struct Aliased : IProgram
    {
        private static int Twice(ref int p, ref int q)
        {
            int s = p + (q = 4) + p;
            p += q++;
            return s + p * (q = 2) + p;
        }

        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            int r = Twice(ref x, ref x) + Twice(ref x, ref y);
            return r * 3 + x - y;
        }
    }

    public readonly struct Parameters : IProgram
    {
        private static int Loop(int n, ref int out1, out int out2, int step)
        {
            int first = n;
            for (; n > 0; n -= step)
                out1 += n;
            out2 = out1;
            step += n;
            return first * step + n;
        }

        public static int Of(int a, int b)
        {
            int sum = 0;
            int r = Loop(a & 63, ref sum, out int other, (b & 3) + 1);
            return r + sum * 7 + other + Loop(r & 31, ref other, out sum, 3) + sum;
        }
    }

    public readonly struct VectorParts : IProgram
    {
        public static int Of(int a, int b)
        {
            var v = new Vector4(a & 15, b & 15, 3, 4);
            v.X += v.Y = v.X + 2;
            v.Z -= v.X * (v.X = 1f);
            Vector4 w = v;
            w.X += w.Y;
            v = w * 2f - v;
            v.W = -v.W;
            w = -v / 2f + new Vector4(1f) * w;
            return (int)(v.X + v.Y * 10 + v.Z * 100 + v.W * 1000) + (int)Vector4.Dot(w, v) + (int)(v + w).Y;
        }
    }

    public readonly struct VectorByReference : IProgram
    {
        public static int Of(int a, int b)
        {
            var v = new Vector4(a & 15, b & 15, 3, 4);
            Scale(ref v, 2f);
            Vector4 zero = default;
            zero.Y = v.W;
            Scale(ref zero, v.X);
            return (int)(v.X + v.Y * 10 + v.Z * 100 + v.W * 1000 + zero.W);
        }
    }

    public readonly struct PartByReference : IProgram
    {
        public static int Of(int a, int b)
        {
            float x = a & 255, y = b & 255;
            float r = Take(ref x) * 2f + x - Take(ref y) + Take(ref x) * y;
            return (int)r;
        }
    }

    public readonly struct NestedAssignments : IProgram
    {
        public static int Of(int a, int b)
        {
            int x, y, z;
            x = y = z = Small(a);
            x += y -= z += Small(b);
            y = x++ + (z = y) + z++;
            return x * 3 + y * 5 + z;
        }
    }

    public readonly struct ManyTemporaries : IProgram
    {
        public static int Of(int a, int b)
        {
            int x = Small(a), y = Small(b);
            return x + (y > 3 ? (x = y) : (y = x)) + (x > 7 && y > 9 ? x : y++) + y + (x == y || (x = 2) > 1 && (y = 1) > 0 ? x : 5) + x + y;
        }
    }

    public readonly struct BoolValues : IProgram
    {
        public static int Of(int a, int b)
        {
            bool p = a > b, q = a < 0 | b < 0, r = p ^ q, s = p == q, t = !p & !q, u = p && q || !r;
            bool v = u ? s : t;
            v |= p;
            v &= !r || s;
            return (p ? 1 : 0) + (q ? 2 : 0) + (r ? 4 : 0) + (s ? 8 : 0) + (t ? 16 : 0) + (u ? 32 : 0) + (v ? 64 : 0) + (p != (q = a == 0) ? 128 : 0) + (q ? 256 : 0);
        }
    }
}
