using Marrow.Engine.Devices;

namespace Marrow.Engine.Training;

/// <summary>What the host reads of an optimizer step: the losses of its micro-batches and the gradient's norm, gathered on the device and read at once, so that the host waits once a step.</summary>
internal sealed class StepReadings : IDisposable
{
    private readonly AdamW _optimizer;
    private readonly Tensor _gathered;
    private readonly Tensor[] _losses;
    private readonly float[] _read;
    private readonly int _most;

    /// <summary>Readings of steps of up to <paramref name="microBatches"/> micro-batches.</summary>
    public StepReadings(Device device, int microBatches, AdamW optimizer)
    {
        (_optimizer, _most) = (optimizer, microBatches);
        _read = new float[microBatches + (device is KernelDevice ? optimizer.NormSums : 0)];
        _gathered = new Tensor(device, new Shape(_read.Length));
        _losses = [.. Enumerable.Range(0, microBatches).Select(i => _gathered.View(i, new Shape(1)))];
    }

    /// <summary>The losses that <see cref="Read"/> read, by micro-batch.</summary>
    public ReadOnlySpan<float> Losses => _read.AsSpan(0, _most);

    /// <summary>Keeps the loss of a micro-batch, [1] fp32, or adds that of a later segment of it.</summary>
    public void Keep(int micro, Tensor loss, bool add = false)
    {
        if (add)
            Ops.AddInto(_losses[micro], loss);
        else
            _losses[micro].CopyFrom(loss);
    }

    /// <summary>Waits for what is kept and for the gradients; returns their L2 norm.</summary>
    public double Read()
    {
        bool queued = _gathered.Device is KernelDevice;
        if (queued)
            _optimizer.QueueNorm(_gathered, _most);
        _gathered.Download(_read.AsSpan());
        return queued ? AdamW.NormOf(_read.AsSpan(_most)) : _optimizer.GradientNorm();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor loss in _losses)
            loss.Dispose();
        _gathered.Dispose();
    }
}
