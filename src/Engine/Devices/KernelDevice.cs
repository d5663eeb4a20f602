using Marrow.Engine.Jit;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Devices;

/// <summary>
/// A device that runs kernels. Work is queued in order and runs behind the caller's back; <see cref="Device.Download"/> waits for it.
/// Freed buffers can be reused at once, since whatever uses them next is queued behind.
/// </summary>
public abstract class KernelDevice : Device
{
    private readonly Dictionary<Kernel, List<Variant>> _variants = [];
    private readonly Dictionary<KernelText, Variant> _texts = new(ReferenceEqualityComparer.Instance);

    /// <summary>What it can do.</summary>
    public abstract DeviceCapabilities Capabilities { get; }

    /// <summary>Kernels translated and built by the driver in this process.</summary>
    public int Compiled { get; protected set; }

    /// <summary>Kernels loaded from the cache in this process.</summary>
    public int Loaded { get; protected set; }

    /// <summary>Kernels launched.</summary>
    public long Launches { get; private set; }

    /// <summary>Times that the host waited for the device.</summary>
    public long Waits { get; protected set; }

    /// <summary>Whether kernels read weights of <paramref name="type"/>; quantised ones stay so in device memory and are decoded where they are used.</summary>
    public static bool Reads(DType type) => CType.ElementOf(type) is not null;

    /// <summary>Waits for all queued work.</summary>
    /// <exception cref="MarrowException">DV010 the device failed or went away.</exception>
    public abstract void Synchronize();

    /// <summary>The file of tuned choices, where the device was opened with one.</summary>
    internal string? TuningFile { get; init; }

    /// <summary>Receives one line for each thing that works otherwise than asked for.</summary>
    internal Action<string>? Notice { get; init; }

    /// <summary>How products of matrices are computed here.</summary>
    internal MatMulTiles Tiles => field ??= MatMulTiles.Of(this);

    /// <summary>The language and the device's abilities that kernels are translated for.</summary>
    internal abstract Dialect Dialect { get; }

    /// <summary>
    /// Queues a kernel. Tensors of generic views give their element types, arguments of [Const] parameters their values; each new combination is
    /// compiled once. In steady state nothing is allocated.
    /// </summary>
    /// <exception cref="MarrowException">JT… the kernel cannot be translated; DV… the driver refused it.</exception>
    internal void Launch(Kernel kernel, Grid grid, params ReadOnlySpan<Arg> args)
    {
        if (grid.X <= 0 || grid.Y <= 0 || grid.Z <= 0)
            return;
        Enqueue(Find(kernel, grid.Lanes, args), grid, args);
        Launches++;
    }

    /// <summary>Queues a kernel that was written by hand in the device's language, built at its first launch: for measurements and tests of the device itself.</summary>
    /// <exception cref="MarrowException">DV… the driver refused it.</exception>
    internal void Launch(KernelText text, Grid grid, params ReadOnlySpan<Arg> args)
    {
        if (!_texts.TryGetValue(text, out Variant? variant))
            _texts[text] = variant = new Variant(text.Lanes, [], [], text, Build(text));
        if (grid.X <= 0 || grid.Y <= 0 || grid.Z <= 0)
            return;
        Enqueue(variant, grid, args);
        Launches++;
    }

    /// <summary>Lanes for rows of <paramref name="n"/> elements: a power of two, no more than usual for a row kernel and than the device allows.</summary>
    internal int LanesFor(int n, int most = 256)
    {
        int lanes = Capabilities.IsCpu ? 16 : 32;
        while (lanes < most && lanes * 4 < n && lanes * 2 <= Capabilities.MaxLanes)
            lanes *= 2;
        return Math.Min(lanes, Capabilities.MaxLanes);
    }

    /// <summary>Groups enough for one lane for each of <paramref name="items"/>, with the lanes usual for element-wise kernels.</summary>
    internal Grid Over(long items) => Grid.Over(items, Math.Min(128, Capabilities.MaxLanes));

    /// <summary>Translates, builds or loads a kernel; returns what <see cref="Enqueue"/> needs.</summary>
    private protected abstract object Build(KernelText text);

    /// <summary>Queues a built kernel.</summary>
    private protected abstract void Enqueue(Variant variant, Grid grid, ReadOnlySpan<Arg> args);

    /// <summary>Everything built so far, for devices to free.</summary>
    private protected IEnumerable<object> Built => _variants.Values.SelectMany(v => v).Concat(_texts.Values).Select(v => v.Handle);

    private Variant Find(Kernel kernel, int lanes, ReadOnlySpan<Arg> args)
    {
        if (args.Length != kernel.Parameters.Length)
            throw new ArgumentException($"{kernel.Name} takes {kernel.Parameters.Length} arguments, not {args.Length}", nameof(args));
        for (int i = 0; i < args.Length; i++)
        {
            // The kernel would read another type's bytes.
            if (kernel.Fixed[i] is { } type && args[i].Tensor is { } tensor && tensor.DType != type)
                throw new ArgumentException($"{kernel.Name}: {kernel.Parameters[i].Name} must be {type}, not {tensor}", nameof(args));
        }
        if (!_variants.TryGetValue(kernel, out List<Variant>? variants))
            _variants[kernel] = variants = [];
        foreach (Variant variant in variants)
        {
            if (variant.Serves(kernel, lanes, args))
                return variant;
        }
        DType[] elements = new DType[args.Length];
        ulong[] constants = new ulong[args.Length];
        for (int i = 0; i < args.Length; i++)
        {
            elements[i] = Variant.ElementOf(args[i]);
            constants[i] = kernel.IsConst[i] ? args[i].Bits : 0;
        }
        KernelText text = KernelTranslator.Translate(kernel, elements, constants, lanes, Dialect);
        var made = new Variant(lanes, elements, constants, text, Build(text));
        variants.Add(made);
        return made;
    }

    /// <summary>A kernel compiled for certain element types, constants and lanes.</summary>
    private protected sealed record Variant(int Lanes, DType[] Elements, ulong[] Constants, KernelText Text, object Handle)
    {
        public static DType ElementOf(in Arg arg) => arg.Tensor?.DType ?? DType.F32;

        public bool Serves(Kernel kernel, int lanes, ReadOnlySpan<Arg> args)
        {
            if (lanes != Lanes)
                return false;
            for (int i = 0; i < args.Length; i++)
            {
                if (kernel.IsConst[i] ? args[i].Bits != Constants[i] : kernel.ElementOf[i] >= 0 && ElementOf(args[i]) != Elements[i])
                    return false;
            }
            return true;
        }
    }
}
