using System.Runtime.InteropServices;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine;

/// <summary>
/// Shape, element type and a place in a device buffer. Weights and parameters own their buffer until disposed; activations belong to
/// a <see cref="Autograd.Tape"/>, which takes them back when nothing needs them.
/// </summary>
public sealed partial class Tensor : IDisposable
{
    private const int PieceElements = 1 << 16;
    private DeviceBuffer? _buffer;
    private int[] _onHost = [];
    private int _onHostCount;

    /// <summary>A tensor with a buffer of its own on <paramref name="device"/>, contents undefined.</summary>
    /// <exception cref="ArgumentException">A row is not whole blocks of <paramref name="dtype"/>.</exception>
    public Tensor(Device device, Shape shape, DType dtype = DType.F32)
    {
        if (dtype.IsBlock() && shape.Last % BlockFormats.Of(dtype).Elements != 0)
            throw new ArgumentException($"rows of {shape} are not whole blocks of {dtype}", nameof(shape));
        Attach(device.Allocate(dtype.Bytes(shape.Count)), 0, shape, dtype);
    }

    internal Tensor()
    {
    }

    /// <summary>A tensor of fp32 values.</summary>
    public static Tensor Of(Device device, Shape shape, ReadOnlySpan<float> values)
    {
        var tensor = new Tensor(device, shape);
        tensor.Upload(values);
        return tensor;
    }

    /// <summary>Its dimensions.</summary>
    public Shape Shape { get; private set; }

    /// <summary>Its stored element type.</summary>
    public DType DType { get; private set; }

    /// <summary>The tape it belongs to; null for weights and parameters.</summary>
    public Tape? Tape { get; internal set; }

    /// <summary>True when the loss's gradient with respect to it is wanted: a trainable parameter, or computed from one.</summary>
    public bool NeedsGrad { get; set; }

    /// <summary>
    /// The gradient, fp32, same shape. A parameter's is set once by its owner and accumulated into; an activation's exists only while backward needs it.
    /// </summary>
    public Tensor? Grad { get; set; }

    /// <summary>The device that holds it.</summary>
    public Device Device => Buffer.Device;

    /// <summary>True while it has a buffer.</summary>
    public bool IsAlive => _buffer is not null;

    /// <summary>The number of bytes it takes.</summary>
    public long Bytes => DType.Bytes(Shape.Count);

    /// <summary>The first byte's place in <see cref="Buffer"/>.</summary>
    public long Offset { get; private set; }

    /// <summary>The buffer that it lies in.</summary>
    public DeviceBuffer Buffer => _buffer ?? throw new InvalidOperationException($"A tensor of shape {Shape} was used after it was freed.");

    /// <summary>The values on the CPU as fp32. Only for tensors of type F32 on the CPU device.</summary>
    public unsafe float* F32 => DType == DType.F32 ? (float*)(Buffer.Handle + Offset)
        : throw new InvalidOperationException($"A tensor of type {DType} was read as F32.");

    /// <summary>The values on the CPU as 32-bit integers. Only for tensors of type I32 on the CPU device.</summary>
    public unsafe int* I32 => DType == DType.I32 ? (int*)(Buffer.Handle + Offset)
        : throw new InvalidOperationException($"A tensor of type {DType} was read as I32.");

    /// <summary>The values on the CPU as bf16. Only for tensors of type BF16 on the CPU device.</summary>
    public unsafe BFloat16* BF16 => DType == DType.BF16 ? (BFloat16*)(Buffer.Handle + Offset)
        : throw new InvalidOperationException($"A tensor of type {DType} was read as BF16.");

    /// <summary>
    /// The values of ids, labels, positions and starts that the host uploaded by <see cref="Tape.Upload"/>: ops plan and check by them without waiting for the device.
    /// </summary>
    public ReadOnlySpan<int> OnHost => _onHostCount == Shape.Count ? _onHost.AsSpan(0, _onHostCount)
        : throw new InvalidOperationException($"The host does not know the values of {this}.");

    /// <summary>A tensor over a part of this one's buffer; both keep the buffer alive. <paramref name="first"/> counts elements, whole blocks where it is stored so.</summary>
    public Tensor View(long first, Shape shape)
    {
        if (first < 0 || first + shape.Count > Shape.Count)
            throw new ArgumentOutOfRangeException(nameof(first), $"view {shape} at {first} of {Shape}");
        var view = new Tensor();
        view.Attach(Buffer, Offset + DType.Bytes(first), shape, DType);
        return view;
    }

    /// <summary>Copies values of the stored type from the host.</summary>
    public void Upload<T>(ReadOnlySpan<T> values, long first = 0) where T : unmanaged =>
        Device.Upload(Buffer, Offset + DType.Bytes(first), MemoryMarshal.AsBytes(values));

    /// <summary>Copies values of the stored type to the host.</summary>
    public void Download<T>(Span<T> values, long first = 0) where T : unmanaged =>
        Device.Download(Buffer, Offset + DType.Bytes(first), MemoryMarshal.AsBytes(values));

    /// <summary>All values as fp32, converted from bf16 or blocks where stored so.</summary>
    public float[] ToArray()
    {
        var values = new float[Shape.Count];
        ReadFloats(values);
        return values;
    }

    /// <summary>Copies values to the host as fp32, converted from bf16 or blocks where stored so; any range.</summary>
    public void ReadFloats(Span<float> values, long first = 0)
    {
        if (DType.IsBlock())
        {
            ReadBlocks(values, first);
            return;
        }
        if (DType != DType.BF16)
        {
            Download(values, first);
            return;
        }
        var stored = new BFloat16[Math.Min(values.Length, PieceElements)];
        for (int at = 0; at < values.Length; at += PieceElements)
        {
            int n = Math.Min(PieceElements, values.Length - at);
            Download(stored.AsSpan(0, n), first + at);
            BFloat16.Widen(stored.AsSpan(0, n), values.Slice(at, n));
        }
    }

    /// <summary>Copies fp32 values from the host, rounded to nearest even where stored as bf16.</summary>
    /// <exception cref="InvalidOperationException">It is stored in blocks, which are only uploaded whole.</exception>
    public void WriteFloats(ReadOnlySpan<float> values, long first = 0)
    {
        if (DType.IsBlock())
            throw new InvalidOperationException($"{this} is stored in blocks: single values cannot be written; upload encoded blocks, or use an F32 tensor.");
        if (DType != DType.BF16)
        {
            Upload(values, first);
            return;
        }
        var stored = new BFloat16[Math.Min(values.Length, PieceElements)];
        for (int at = 0; at < values.Length; at += PieceElements)
        {
            int n = Math.Min(PieceElements, values.Length - at);
            BFloat16.Narrow(values.Slice(at, n), stored.AsSpan(0, n));
            Upload<BFloat16>(stored.AsSpan(0, n), first + at);
        }
    }

    /// <summary>Sets every element to zero.</summary>
    public void Clear() => Device.Clear(Buffer, Offset, Bytes);

    /// <summary>Copies the values of a tensor with the same type and number of elements.</summary>
    public void CopyFrom(Tensor from)
    {
        if (from.Bytes != Bytes || from.DType != DType)
            throw new ArgumentException($"copy of {from.Shape} {from.DType} into {Shape} {DType}", nameof(from));
        Device.Copy(from.Buffer, from.Offset, Buffer, Offset, Bytes);
    }

    /// <summary>Lets go of the buffer.</summary>
    public void Dispose() => Detach();

    internal void Attach(DeviceBuffer place, long offset, Shape shape, DType dtype)
    {
        _buffer = place;
        place.Holds++;
        Offset = offset;
        Shape = shape;
        DType = dtype;
        _onHostCount = 0;
    }

    internal void KeepOnHost(ReadOnlySpan<int> values)
    {
        if (_onHost.Length < values.Length)
            _onHost = new int[values.Length];
        values.CopyTo(_onHost);
        _onHostCount = values.Length;
    }

    internal void Detach()
    {
        if (_buffer is null)
            return;
        if (--_buffer.Holds == 0)
            _buffer.Device.Free(_buffer);
        _buffer = null;
    }

    // ---- what the tape keeps of an activation ----
    internal int Holds;

    // ---- of a gradient: the tensors that it is the gradient of ----
    internal int Sharers;

    /// <inheritdoc/>
    public override string ToString() => $"{DType}{Shape}";
}
