using System.Reflection;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Jit;

/// <summary>Small programs meant to break the translation, run on a device over many inputs and held against the same method on the host.</summary>
public sealed class AdversarialTests(ITestOutputHelper output)
{
    private static readonly int[] Edges =
    [
        0, 1, -1, 2, -2, 3, 5, -5, 7, -7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, -100, 127, 128, -128, 255, 256, 1000, 32767, 32768, -32768, 65535, 65536, 16777217, int.MaxValue, int.MaxValue - 1,
        int.MinValue, int.MinValue + 1, 0x40490fdb, 0x7f800000, unchecked((int)0xff800000), 0x7fc00000, 0x7f7fffff, 0x4effffff, 0x4f000000, 0x4f800000, 0x5f000000, unchecked((int)0xcf000000), unchecked((int)0xbf99999a), 0x437f8000,
    ];

    /// <summary>The programs, each as the C# compiler made it with and without its optimiser.</summary>
    public static IEnumerable<Type> Programs => new[] { typeof(IProgram), typeof(Unoptimised.IProgram) }
        .SelectMany(i => i.Assembly.GetTypes().Where(t => t.IsValueType && t.GetInterfaces().Contains(i)));

    public static TheoryData<string> Groups => [.. Programs.Select(t => t.DeclaringType!.FullName!).Distinct()];

    /// <summary>The kernel that runs a program.</summary>
    internal static Kernel Runner(Type program) => Kernel.Of(Owner(program), nameof(AdversarialKernels.Run), program);

    [Theory]
    [MemberData(nameof(Groups))]
    public void A_device_computes_what_the_host_does(string group)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        var random = new Random(5);
        int[] a = [.. Edges.SelectMany(_ => Edges), .. Enumerable.Range(0, 1000).Select(_ => random.Next(int.MinValue, int.MaxValue) >> random.Next(32))];
        int[] b = [.. Edges.SelectMany(e => Enumerable.Repeat(e, Edges.Length)), .. Enumerable.Range(0, 1000).Select(_ => random.Next(int.MinValue, int.MaxValue) >> random.Next(32))];
        using Tensor ta = Make(device, a), tb = Make(device, b), ty = new(device, new Shape(a.Length), Formats.Numerics.DType.I32);
        var wrong = new List<string>();
        foreach (Type program in Programs.Where(t => t.DeclaringType!.FullName == group))
        {
            int[] expected = (int[])Owner(program).GetMethod(nameof(AdversarialKernels.OnHost), BindingFlags.Static | BindingFlags.Public)!.MakeGenericMethod(program).Invoke(null, [a, b])!, y = new int[a.Length];
            try
            {
                device.Launch(Runner(program), Grid.Over(a.Length, 32), ta, tb, ty, a.Length);
                ty.Download(y.AsSpan());
            }
            catch (Formats.MarrowException e)
            {
                wrong.Add($"{program.Name}: {e.Message}");
                continue;
            }
            int[] places = [.. Enumerable.Range(0, a.Length).Where(i => y[i] != expected[i])];
            if (places.Length > 0)
                wrong.Add($"{program.Name}: {places.Length} of {a.Length}: {string.Join("; ", places.Take(3).Select(i => $"({a[i]}, {b[i]}) is {y[i]}, not {expected[i]}"))}");
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    private static Type Owner(Type program) => program.Assembly == typeof(AdversarialKernels).Assembly ? typeof(AdversarialKernels) : typeof(Unoptimised.AdversarialKernels);

    private static Tensor Make(Device device, int[] values)
    {
        var tensor = new Tensor(device, new Shape(values.Length), Formats.Numerics.DType.I32);
        tensor.Upload<int>(values);
        return tensor;
    }
}
