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

    /// <summary>The kernels of <see cref="AdversarialMemory"/> in both builds.</summary>
    internal static IEnumerable<Kernel> MemoryKernels => new[] { true, false }.SelectMany(optimised => (Kernel[])[.. new[] { "Order", "Waits", "Names", "Pairs" }.Select(name => Memory(optimised, name)), Memory(optimised, "Tiles", Size(optimised))]);

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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Memory_is_read_and_written_in_order(bool optimised)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        const int n = 200;
        var random = new Random(3);
        int[] x = [.. Enumerable.Range(0, 8 * n).Select(_ => random.Next(-300, 300))], y = [.. Enumerable.Range(0, 8 * n).Select(_ => random.Next(-300, 300))];
        using Tensor tx = Make(device, x), ty = Make(device, y);
        device.Launch(Memory(optimised, "Order"), Grid.Over(n, 32), tx, ty, n);
        for (int i = 0; i < n; i++)
            Order(x.AsSpan(8 * i, 8), y.AsSpan(8 * i, 8));
        Assert.Equal(x, Read(tx));
        Assert.Equal(y, Read(ty));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Private_arrays_start_at_zero_where_they_are_made(bool optimised)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        int[] x = [.. Enumerable.Range(0, 20)];
        using Tensor tx = Make(device, x), ty = Make(device, new int[20]);
        device.Launch(Memory(optimised, "Tiles", Size(optimised)), new Grid(32, 1), tx, ty, 20);
        Assert.Equal([.. x.Select(Tiles)], Read(ty));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Functions_wait_for_all_lanes(bool optimised)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        int[] x = [.. Enumerable.Range(0, 32).Select(i => i * i % 29)];
        using Tensor tx = Make(device, x), ty = new(device, new Shape(32)), four = new(device, new Shape(8));
        four.WriteFloats([3, 1, 4, 1, 5, 9, 2, 6]);
        device.Launch(Memory(optimised, "Waits"), new Grid(32, 1), tx, ty, four);
        int[] s = [.. x], sum = new int[32];
        for (int i = 0; i < 3; i++)
        {
            int[] next = [.. Enumerable.Range(0, 32).Select(l => s[(l + 31 - i) & 31] + s[(l + 1) & 31])];
            for (int l = 0; l < 32; l++)
                (s[l], sum[l]) = (next[l] & 0xff, sum[l] + next[l]);
        }
        float first = sum.Sum(v => v & 15);
        Assert.Equal([.. Enumerable.Range(0, 32).Select(l => first + (first * 3 - 1024) + sum[l] + (l % 2 == 0 ? 4f : 2f) * 3f)], ty.ToArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Names_that_mean_something_in_C_are_changed(bool optimised)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        int[] x = [.. Enumerable.Range(0, 32).Select(i => i * 3 - 40)];
        using Tensor tx = Make(device, x), ty = Make(device, x);
        device.Launch(Memory(optimised, "Names"), new Grid(32, 1), tx, 1000, ty, 5, 70, 9, 3, 4u, true);
        Assert.Equal([.. x.Select(v => Names(v, 1000, 5, 70, 9, 3, 4))], Read(ty));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Pairs_are_read_before_they_are_stored(bool optimised)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        foreach (Formats.Numerics.DType type in (Formats.Numerics.DType[])[Formats.Numerics.DType.F32, Formats.Numerics.DType.BF16])
        {
            using Tensor x = new(device, new Shape(128), type);
            x.WriteFloats([.. Enumerable.Range(0, 128).Select(i => (float)(i % 40))]);
            device.Launch(Memory(optimised, "Pairs"), new Grid(32, 1), x);
            Assert.Equal([.. Enumerable.Range(0, 32).Select(i => 4 * i % 40).SelectMany(v => (float[])[v + 1, 2 * v + 1, 2 * (v + 3), 3 * (v + 2) + 2])], x.ToArray());
        }
    }

    private static void Order(Span<int> p, Span<int> q)
    {
        p[p[0] & 7] = Raise(p, 0) + p[2];
        p[3] += p[2] = p[1] + 5;
        int i = p[4] & 3;
        p[i++] += i++ * p[i & 7];
        p[i & 7] = i = p[i & 7] & 7;
        q[Raise(q, 1) & 7] -= Raise(p, 2) + q[1] * Raise(q, i);
        int before = p[5] + Raise(p, 5) * p[5], kept = q[6];
        q[6] = kept + before;
        q[7] ^= kept + (q[6] > p[6] ? Raise(q, 6) : p[6]) + q[6];
        Span<int> r = p;
        r[1] += (r = q)[2] + r[3];
        r[0] = (r[1] & 1) == 0 ? r[1]++ : --r[1];
        q[4] = p[4] - q[4];
    }

    private static int Raise(Span<int> v, int i)
    {
        v[i & 7] = (v[i & 7] & 0xfff) + 3;
        return v[i & 7];
    }

    private static int Tiles(int a)
    {
        int sum = 0;
        for (int round = 0; round < 3; round++)
        {
            var tile = new int[4];
            tile[(a + round) & 3] += round + 1;
            tile[1] += 5;
            tile[0] = tile[1] + (tile[1] = tile[1] + 1) + tile[1];
            sum = sum * 10 + tile[0] + tile[1] * 2 + tile[2] * 3 + tile[3] * 4 + ((a + round) % 2 == 0 ? 1 : 2);
        }
        int left = (a > 5 ? 7 : 0) + 1, right = a > 5 ? 0 : 7;
        return sum * 100 + left * 10 + right + (a > 5 ? left : right) + 2000 + 2;
    }

    private static int Names(int v, int first, int register, int not, int xor, int typedef, int @goto)
    {
        int sum = register + v, difference = not - sum, half = (int)(float)(Half)(float)Math.Max(sum, difference), inner = Auto(Math.Min(typedef, v), xor ^ half);
        return Auto(inner, @goto >> 1) - 1 + first;
    }

    private static int Auto(int a, int b) => a - b + b;

    private static int[] Read(Tensor tensor)
    {
        var values = new int[tensor.Shape.Count];
        tensor.Download(values.AsSpan());
        return values;
    }

    private static Type Size(bool optimised) => optimised ? typeof(FourItems) : typeof(Unoptimised.FourItems);

    private static Kernel Memory(bool optimised, string name, params Type[] types) => Kernel.Of(optimised ? typeof(AdversarialMemory) : typeof(Unoptimised.AdversarialMemory), name, types);

    private static Type Owner(Type program) => program.Assembly == typeof(AdversarialKernels).Assembly ? typeof(AdversarialKernels) : typeof(Unoptimised.AdversarialKernels);

    private static Tensor Make(Device device, int[] values)
    {
        var tensor = new Tensor(device, new Shape(values.Length), Formats.Numerics.DType.I32);
        tensor.Upload<int>(values);
        return tensor;
    }
}
