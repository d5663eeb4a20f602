namespace Marrow.Engine.Autograd;

/// <summary>
/// One recorded op: what its backward needs, and the backward. Nodes are pooled by the tape, so fields are set anew by every recording.
/// </summary>
public abstract class Node
{
    private readonly List<Tensor> _saved = [];

    /// <summary>The op's result, whose gradient backward receives.</summary>
    internal Tensor Output { get; set; } = null!;

    /// <summary>A second result; null for most ops. Backward runs when either has a gradient, with zeros for <see cref="Output"/>'s where it has none.</summary>
    internal Tensor? Second { get; set; }

    /// <summary>The tape that recorded it.</summary>
    protected Tape Tape => Output.Tape!;

    /// <summary>Adds the gradients of the op's inputs, given that of its result (fp32, the result's shape; not to be written).</summary>
    protected internal abstract void Backward(Tensor grad);

    /// <summary>Keeps an activation's values until this node's backward has run. Weights and parameters pass through.</summary>
    public Tensor Save(Tensor tensor)
    {
        if (tensor.Tape is not null)
        {
            tensor.Holds++;
            _saved.Add(tensor);
        }
        return tensor;
    }

    /// <summary>
    /// Where to write the gradient of <paramref name="input"/>; null when it needs none. With <paramref name="accumulate"/> the place holds
    /// earlier contributions to add to, otherwise its contents are undefined and every element must be written.
    /// </summary>
    protected Tensor? GradOf(Tensor input, out bool accumulate) => Tape.GradOf(input, out accumulate);

    /// <summary>As <see cref="GradOf"/> for bodies that only add: a fresh gradient starts at zero.</summary>
    protected Tensor? SumOf(Tensor input) => Tape.SumOf(input);

    /// <summary>Contributes a whole tensor, which may be the received gradient itself, to the gradient of <paramref name="input"/>.</summary>
    protected void PassGrad(Tensor input, Tensor grad) => Tape.PassGrad(input, grad);

    internal void ReleaseSaved()
    {
        foreach (Tensor tensor in _saved)
            Tape.Release(tensor);
        _saved.Clear();
    }
}
