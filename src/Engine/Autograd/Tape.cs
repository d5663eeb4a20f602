using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Autograd;

/// <summary>
/// Owns the activations of one forward and backward pass, records the ops that lead to a trainable tensor and runs their backward in
/// reverse. An activation is freed as soon as neither its scope nor a recorded op holds it. Tensor and node objects are reused from
/// pass to pass: after the first passes nothing is allocated on the managed heap.
/// </summary>
public sealed class Tape : IDisposable
{
    private readonly List<Tensor> _objects = [];
    private readonly List<Tensor> _scoped = [];
    private readonly List<Node> _nodes = [];
    private readonly Dictionary<Type, Stack<Node>> _pools = [];
    private int[] _hostList = [];
    private int _used;

    /// <summary>A tape for work on <paramref name="device"/>.</summary>
    public Tape(Device device) => Device = device;

    /// <summary>The device that the activations lie on.</summary>
    public Device Device { get; }

    /// <summary>Whether ops are recorded for backward. Off for evaluation and generation.</summary>
    public bool Recording { get; set; }

    /// <summary>Whether dropout applies; stays on while a checkpointed segment runs unrecorded.</summary>
    public bool Training { get; set; }

    /// <summary>The element type of activations and their gradients: fp32, or bf16 on devices that run kernels. Statistics, losses and parameters' gradients are fp32 always.</summary>
    /// <exception cref="MarrowException">E110 the device does not compute in that type.</exception>
    public DType ActivationType
    {
        get;
        set => field = value == DType.F32 || (value == DType.BF16 && Device is KernelDevice) ? value
            : throw new MarrowException("E110", $"{Device.Name} cannot keep activations in {value}: on the CPU they are F32, on GPUs F32 or BF16. [E110]");
    } = DType.F32;

    /// <summary>Names the random draws of this pass (dropout); the same value draws the same masks, also when a segment is computed again.</summary>
    public ulong DrawKey { get; set; }

    /// <summary>The block sums that several layers share.</summary>
    internal SharedSums Sums { get; } = new();

    /// <summary>The recorded ops, for measurements.</summary>
    public int Count => _nodes.Count;

    /// <summary>An activation with undefined contents, held by the current scope.</summary>
    public Tensor New(Shape shape, DType dtype = DType.F32)
    {
        Tensor tensor = NextObject();
        tensor.Attach(Device.Allocate(dtype.Bytes(shape.Count)), 0, shape, dtype);
        return tensor;
    }

    /// <summary>As <see cref="New"/>, of <see cref="ActivationType"/>.</summary>
    public Tensor NewActivation(Shape shape) => New(shape, ActivationType);

    /// <summary>An activation of zeros.</summary>
    public Tensor Zeros(Shape shape, DType dtype = DType.F32)
    {
        Tensor tensor = New(shape, dtype);
        tensor.Clear();
        return tensor;
    }

    /// <summary>An activation from 32-bit integers (ids, labels, positions).</summary>
    public Tensor Upload(ReadOnlySpan<int> values)
    {
        Tensor tensor = New(new Shape(values.Length), DType.I32);
        tensor.Upload(values);
        tensor.KeepOnHost(values);
        return tensor;
    }

    /// <summary>Room for a list that an op plans on the host before it uploads it; good until the next call.</summary>
    internal Span<int> HostList(int count)
    {
        if (_hostList.Length < count)
            _hostList = new int[count];
        return _hostList.AsSpan(0, count);
    }

    /// <summary>A second tensor on the same buffer, for ops that work in place; <paramref name="of"/> must not be read afterwards.</summary>
    public Tensor Alias(Tensor of) => Slice(of, 0, of.Shape);

    /// <summary>
    /// A second tensor on a part of a buffer, held by the current scope like an activation: for ops that read or write a part of a weight or of a gradient.
    /// <paramref name="first"/> counts elements. Unlike <see cref="Tensor.View"/> it is pooled. Gradients are not its own.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The part reaches beyond <paramref name="of"/>.</exception>
    public Tensor Slice(Tensor of, long first, Shape shape)
    {
        if (first < 0 || first + shape.Count > of.Shape.Count)
            throw new ArgumentOutOfRangeException(nameof(first), $"slice {shape} at {first} of {of}");
        Tensor tensor = NextObject();
        tensor.Attach(of.Buffer, of.Offset + of.DType.Bytes(first), shape, of.DType);
        return tensor;
    }

    /// <summary>Opens a scope; give the value to <see cref="Close(int, Tensor)"/>.</summary>
    public int Open() => _scoped.Count;

    /// <summary>Ends a scope: every activation made in it is freed unless a recorded op holds it. <paramref name="result"/> moves to the outer scope.</summary>
    public Tensor Close(int scope, Tensor result)
    {
        result.Holds++;
        Close(scope);
        _scoped.Add(result);
        return result;
    }

    /// <summary>Ends a scope with two results.</summary>
    public void Close(int scope, Tensor first, Tensor second)
    {
        first.Holds++;
        second.Holds++;
        Close(scope);
        _scoped.Add(first);
        _scoped.Add(second);
    }

    /// <summary>Ends a scope without a result.</summary>
    public void Close(int scope)
    {
        for (int i = _scoped.Count - 1; i >= scope; i--)
            Release(_scoped[i]);
        _scoped.RemoveRange(scope, _scoped.Count - scope);
    }

    /// <summary>True when an op on these inputs must be recorded.</summary>
    public bool Tracks(Tensor a, Tensor? b = null, Tensor? c = null) =>
        Recording && (a.NeedsGrad || (b?.NeedsGrad ?? false) || (c?.NeedsGrad ?? false));

    /// <summary>A node to fill and <see cref="Record{T}(T, Tensor)"/>.</summary>
    public T Rent<T>() where T : Node, new()
    {
        Stack<Node> pool = PoolOf(typeof(T));
        return pool.TryPop(out Node? node) ? (T)node : new T();
    }

    /// <summary>Records that <paramref name="node"/> made <paramref name="output"/>.</summary>
    public void Record<T>(T node, Tensor output) where T : Node
    {
        node.Output = output;
        node.Second = null;
        output.NeedsGrad = true;
        _nodes.Add(node);
    }

    /// <summary>Records that <paramref name="node"/> made two results; its backward finds the second's gradient, if it has one, at that tensor.</summary>
    public void Record<T>(T node, Tensor output, Tensor second) where T : Node
    {
        Record(node, output);
        node.Second = second;
        second.NeedsGrad = true;
    }

    /// <summary>
    /// Runs backward from a scalar, adding to the gradients of parameters. The tape is empty afterwards, activations that no scope holds are freed.
    /// </summary>
    public void Backward(Tensor loss, float seed = 1f)
    {
        Tensor start = New(loss.Shape);
        start.Upload(new ReadOnlySpan<float>(ref seed));
        BackwardFrom(loss, start, 0);
    }

    /// <summary>Runs backward with a given gradient of <paramref name="output"/>.</summary>
    public void Backward(Tensor output, Tensor gradient) => BackwardFrom(output, gradient, 0);

    /// <summary>Frees every activation and forgets what is recorded.</summary>
    public void Clear()
    {
        foreach (Node node in _nodes)
            Return(node);
        _nodes.Clear();
        _scoped.Clear();
        Sums.Forget();
        for (int i = 0; i < _used; i++)
        {
            Tensor tensor = _objects[i];
            tensor.Detach();
            (tensor.Holds, tensor.Sharers) = (0, 0);
            tensor.Grad = null;
            tensor.NeedsGrad = false;
        }
        _used = 0;
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    internal void BackwardFrom(Tensor output, Tensor gradient, int mark)
    {
        PassGrad(output, gradient);
        while (_nodes.Count > mark)
        {
            Node node = _nodes[^1];
            _nodes.RemoveAt(_nodes.Count - 1);
            if (node.Output.Grad is not null || node.Second?.Grad is not null)
            {
                int scope = Open();
                node.Backward(node.Output.Grad ?? SumOf(node.Output)!);
                Close(scope);
                DropGrad(node.Output);
                if (node.Second?.Grad is not null)
                    DropGrad(node.Second);
            }
            Return(node);
        }
    }

    internal Tensor? GradOf(Tensor input, out bool accumulate)
    {
        accumulate = false;
        if (!input.NeedsGrad)
            return null;
        if (input.Tape is null)
        {
            accumulate = true;
            return input.Grad ?? throw new InvalidOperationException($"A trainable tensor of shape {input.Shape} has no gradient buffer.");
        }
        if (input.Grad is not { } grad)
        {
            SetGrad(input, New(input.Shape, input.DType));
        }
        else
        {
            accumulate = true;
            if (grad.Sharers > 1)
            {
                // The values are shared with another tensor's gradient: continue on a copy.
                Tensor copy = New(grad.Shape, grad.DType);
                copy.CopyFrom(grad);
                DropGrad(input);
                SetGrad(input, copy);
            }
        }
        return input.Grad;
    }

    internal Tensor? SumOf(Tensor input)
    {
        Tensor? grad = GradOf(input, out bool accumulate);
        if (!accumulate)
            grad?.Clear();
        return grad;
    }

    internal void PassGrad(Tensor input, Tensor grad)
    {
        if (!input.NeedsGrad)
            return;
        if (input.Tape is not null && input.Grad is null && input.DType == grad.DType)
            SetGrad(input, grad);
        else if (input.Tape is not null && input.Grad is null)
            Ops.CastInto(GradOf(input, out _)!, grad);
        else
            Ops.AddInto(GradOf(input, out _)!, grad);
    }

    internal static void Release(Tensor tensor)
    {
        if (--tensor.Holds == 0)
            tensor.Detach();
    }

    internal static void DropGrad(Tensor input)
    {
        Tensor grad = input.Grad!;
        input.Grad = null;
        grad.Sharers--;
        Release(grad);
    }

    private static void SetGrad(Tensor input, Tensor grad)
    {
        grad.Holds++;
        grad.Sharers++;
        input.Grad = grad;
    }

    private void Return(Node node)
    {
        node.ReleaseSaved();
        PoolOf(node.GetType()).Push(node);
    }

    private Tensor NextObject()
    {
        if (_used == _objects.Count)
            _objects.Add(new Tensor { Tape = this });
        Tensor tensor = _objects[_used++];
        tensor.Holds = 1;
        _scoped.Add(tensor);
        return tensor;
    }

    private Stack<Node> PoolOf(Type kind)
    {
        if (!_pools.TryGetValue(kind, out Stack<Node>? pool))
            _pools[kind] = pool = new Stack<Node>();
        return pool;
    }
}
