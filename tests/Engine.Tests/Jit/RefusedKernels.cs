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

    private static float Twice(float x) => 2 * x;

    private static int Factorial(int n) => n < 2 ? 1 : n * Factorial(n - 1);

    private static float SharedSum() => Gpu.Shared<float>(4)[0];
}
