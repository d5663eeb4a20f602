using Marrow.Engine.Devices;

namespace Marrow.Engine.Training;

/// <summary>
/// AdamW as torch.optim.AdamW computes it: p −= lr·wd·p; m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²;
/// p −= lr·(m/(1−β1^t)) / (√(v/(1−β2^t)) + eps). State and update are fp32, one parallel pass over the flat buffers.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly ParameterSet _parameters;
    private readonly AdamWOptions _options;
    private readonly (int First, int Count, bool Decays)[] _runs;
    private readonly double[] _partials;
    private Tensor? _sums;
    private float[] _sumsOnHost = [];

    /// <summary>An optimizer with empty state. <paramref name="decays"/> tells which parameters weight decay applies to; null for all.</summary>
    public AdamW(ParameterSet parameters, AdamWOptions options, Func<Parameter, bool>? decays = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Eps);
        (_parameters, _options) = (parameters, options);
        _runs = Runs(parameters, decays ?? (_ => true));
        _partials = new double[(parameters.Values.Shape.Elements + SquareSumBody.Chunk - 1) / SquareSumBody.Chunk];
        FirstMoment = new Tensor(parameters.Values.Device, parameters.Values.Shape);
        SecondMoment = new Tensor(parameters.Values.Device, parameters.Values.Shape);
        FirstMoment.Clear();
        SecondMoment.Clear();
    }

    /// <summary>m, laid out as <see cref="ParameterSet.Values"/>.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>v, laid out as <see cref="ParameterSet.Values"/>.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Updates made so far: t of the bias correction.</summary>
    public int Updates { get; internal set; }

    /// <summary>How many sums <see cref="QueueNorm"/> writes.</summary>
    internal int NormSums => _partials.Length;

    /// <summary>The L2 norm of all gradients together, summed in double precision; its bits do not depend on the thread count. Waits for the device.</summary>
    public double GradientNorm()
    {
        if (_parameters.Gradients.Device is not KernelDevice)
            return Math.Sqrt(Ops.SquareSum(_parameters.Gradients, _partials));
        _sums ??= new Tensor(_parameters.Gradients.Device, new Shape(NormSums));
        _sumsOnHost = _sumsOnHost.Length == 0 ? new float[NormSums] : _sumsOnHost;
        QueueNorm(_sums, 0);
        _sums.Download(_sumsOnHost.AsSpan());
        return NormOf(_sumsOnHost);
    }

    /// <summary>Queues the sums of squares whose <see cref="NormOf"/> is the gradient's norm, on a device that runs kernels.</summary>
    internal void QueueNorm(Tensor to, int first) => Ops.SquareSums((KernelDevice)to.Device, _parameters.Gradients, to, first);

    /// <summary>The norm from what <see cref="QueueNorm"/> wrote.</summary>
    internal static double NormOf(ReadOnlySpan<float> sums)
    {
        double sum = 0;
        foreach (float part in sums)
            sum += part;
        return Math.Sqrt(sum);
    }

    /// <summary>The factor that brings a gradient of this norm down to <paramref name="max"/>, as torch.nn.utils.clip_grad_norm_: min(1, max / (norm + 1e-6)).</summary>
    public static double ClipFactor(double norm, double max) => Math.Min(1, max / (norm + 1e-6));

    /// <summary>Updates every value from its gradient times <paramref name="clip"/>; the gradients stay as they are.</summary>
    public void Update(double learningRate, double clip = 1)
    {
        Updates++;
        double step = learningRate / (1 - Math.Pow(_options.Beta1, Updates)), root = 1 / Math.Sqrt(1 - Math.Pow(_options.Beta2, Updates));
        foreach ((int first, int count, bool decays) in _runs)
        {
            double decay = decays ? 1 - learningRate * _options.WeightDecay : 1;
            var factors = new AdamWFactors((float)clip, (float)_options.Beta2, (float)(1 - _options.Beta1), (float)(1 - _options.Beta2), (float)decay, (float)step, (float)root, (float)_options.Eps);
            Ops.AdamW(_parameters.Values, _parameters.Gradients, FirstMoment, SecondMoment, first, count, factors);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        _sums?.Dispose();
    }

    // Neighbours that are treated alike are updated in one go: usually that is the whole buffer.
    private static (int First, int Count, bool Decays)[] Runs(ParameterSet parameters, Func<Parameter, bool> decays)
    {
        var runs = new List<(int First, int Count, bool Decays)>();
        for (int i = 0; i < parameters.Parameters.Count; i++)
        {
            Parameter parameter = parameters.Parameters[i];
            int first = parameters.FirstOf(parameter);
            int end = i + 1 < parameters.Parameters.Count ? parameters.FirstOf(parameters.Parameters[i + 1]) : parameters.Values.Shape.Elements;
            if (runs.Count > 0 && runs[^1].Decays == decays(parameter))
                runs[^1] = runs[^1] with { Count = end - runs[^1].First };
            else
                runs.Add((first, end - first, decays(parameter)));
        }
        return [.. runs];
    }
}
