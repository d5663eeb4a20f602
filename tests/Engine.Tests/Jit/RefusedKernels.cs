using System.Numerics;
using System.Runtime.InteropServices;
using Marrow.Engine.Jit;

namespace Marrow.Engine.Tests.Jit;

/// <summary>Kernels that cannot be translated, each for one reason.</summary>
internal static class RefusedKernels
{
    private static int s_mutable = 3;

    [Kernel]
    public static void Throws(View<float> x, int n)
    {
        if (n < 0)
            throw new InvalidOperationException();
        x[0] = n + s_mutable;
    }

    [Kernel]
    public static void Allocates(View<float> x, int n) => x[0] = new float[n].Length;

    [Kernel]
    public static unsafe void Stackallocs(View<float> x)
    {
        float* p = stackalloc float[4];
        x[0] = p[0];
    }

    [Kernel]
    public static void Concatenates(View<float> x, int n) => x[0] = ("a" + n).Length;

    [Kernel]
    public static void Delegates(View<float> x)
    {
        Func<float, float> f = Twice;
        x[0] = f(x[1]);
    }

    [Kernel]
    public static void ReadsMutableState(View<float> x) => x[0] = s_mutable;

    [Kernel]
    public static void UsesDouble(View<float> x) => x[0] = (float)Math.Sqrt(x[0]);

    [Kernel]
    public static void Recurses(View<float> x, int n) => x[0] = Factorial(n);

    [Kernel]
    public static void SizesByArgument(View<float> x, int n)
    {
        Shared<float> s = Gpu.Shared<float>(n);
        x[0] = s[0];
    }

    [Kernel]
    public static void SharesInFunction(View<float> x) => x[0] = SharedSum();

    [Kernel(Lanes = 32)]
    public static void ReturnsBeforeBarrier(View<float> x, int n)
    {
        if (Gpu.Lane >= n)
            return;
        Gpu.Barrier();
        x[Gpu.Lane] = n;
    }

    [Kernel]
    public static void Switches(View<float> x, int n)
    {
        switch (n)
        {
            case 0: x[0] = 1; break;
            case 1: x[0] = 4; break;
            case 2: x[0] = 9; break;
            case 3: x[0] = 7; break;
            default: x[0] = 5; break;
        }
    }

    [Kernel]
    public static void TakesString(View<float> x, string name) => x[0] = name.Length;

    [Kernel]
    public static void AtomicOnPrivate(View<int> x)
    {
        Private<int> p = Gpu.Private<int>(1);
        x[0] = Gpu.AtomicAdd(ref p[0], 1);
    }

    [Kernel]
    public static void Catches(View<float> x)
    {
        try
        {
            x[0] = 1;
        }
        finally
        {
            x[1] = 2;
        }
    }

    [Kernel]
    public static void ChecksOverflow(View<int> x, int n) => x[0] = checked(x[1] + n);

    [Kernel]
    public static void RefersToComponent(View<float> x)
    {
        Vector4 v = x.Load4(0);
        Double(ref v.Y);
        x[0] = v.Y;
    }

    [Kernel]
    public static void ReturnsPrivate(View<float> x) => x[0] = Made()[1];

    [Kernel]
    public static void JumpsIntoLoop(View<int> x, int n)
    {
        if (n > 3)
            goto middle;
    top:
        x[0] += n;
    middle:
        x[1] -= n--;
        if (n > 0)
            goto top;
    }

    [Kernel(Lanes = 32)]
    public static void WaitsInFunction(View<float> x, int n)
    {
        if (Gpu.Lane >= n)
            return;
        Wait();
        x[Gpu.Lane] = n;
    }

    [Kernel]
    public static void TakesLogarithm(View<float> x) => x[0] = MathF.Log(x[0], 3f);

    [Kernel]
    public static void RoundsToDigits(View<float> x) => x[0] = MathF.Round(x[0], 2);

    [Kernel]
    public static void TakesReference(View<float> x, ref float y) => x[0] = y;

    [Kernel]
    public static float HasResult(View<float> x) => x[0];

    [Kernel]
    public static void ViewsBools(View<bool> x) => x[0] = true;

    [Kernel]
    public static void ReadsMutableProperty(View<int> x) => x[0] = Mutable;

    [Kernel]
    public static void CallsNative(View<float> x) => x[0] = NativeSine(x[0]);

    [Kernel]
    public static void RefersToConstant(View<float> x, [Const(3)] float y)
    {
        Double(ref y);
        x[0] = y;
    }

    [Kernel]
    public static void NamesDouble(View<float> x, int n)
    {
        double d = n > 3 ? 0.1 : 0.2;
        x[0] = (float)d;
    }

    [Kernel]
    public static void RecursesByType(View<int> x) => x[0] = Deeper<int>(x[1]);

    private static int Deeper<T>(int n) where T : struct => n < 1 ? 0 : 1 + Deeper<Nest<T>>(n - 1);

    private readonly record struct Nest<T>(T Value);

    private static int Mutable => s_mutable;

    private static Private<float> Made()
    {
        Private<float> made = Gpu.Private<float>(4);
        made[1] = 3;
        return made;
    }

    private static void Double(ref float x) => x += x;

    private static void Wait() => Gpu.Barrier();

    [DllImport("m", EntryPoint = "sinf")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern float NativeSine(float x);

    private static float Twice(float x) => 2 * x;

    private static int Factorial(int n) => n < 2 ? 1 : n * Factorial(n - 1);

    private static float SharedSum() => Gpu.Shared<float>(4)[0];
}
