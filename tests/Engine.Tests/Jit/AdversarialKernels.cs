using Marrow.Engine.Jit;

#if UNOPTIMISED
namespace Marrow.Engine.Tests.Unoptimised;
#else
namespace Marrow.Engine.Tests.Jit;
#endif

/// <summary>A program of two numbers that runs on the host and, inside <see cref="AdversarialKernels.Run"/>, on a device.</summary>
internal interface IProgram
{
    static abstract int Of(int a, int b);
}

/// <summary>Runs programs. This file and those of the programs are compiled twice, with and without the C# optimiser.</summary>
internal static class AdversarialKernels
{
    [Kernel(Lanes = 32)]
    public static void Run<TProgram>(View<int> a, View<int> b, View<int> y, int n) where TProgram : struct, IProgram
    {
        int i = Gpu.Item;
        if (i < n)
            y[i] = TProgram.Of(a[i], b[i]);
    }

    /// <summary>What the host makes of it.</summary>
    public static int[] OnHost<TProgram>(int[] a, int[] b) where TProgram : struct, IProgram => [.. a.Zip(b, TProgram.Of)];
}
