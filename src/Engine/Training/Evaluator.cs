using Marrow.Engine.Autograd;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;

namespace Marrow.Engine.Training;

/// <summary>Measures a model's loss on a dataset, recording nothing for backward.</summary>
public sealed class Evaluator : IDisposable
{
    private readonly CausalModel _model;
    private readonly int _batchSize;
    private readonly Tape _tape;
    private readonly TokenBatch _batch = new();
    private readonly BatchSegment _segment = new();
    private readonly int _segmentLength;

    /// <summary>
    /// An evaluator of <paramref name="model"/> that runs <paramref name="batchSize"/> examples at a time, and of each at most <paramref name="segmentLength"/>
    /// positions where the model carries a state; null reads them whole.
    /// </summary>
    public Evaluator(CausalModel model, int batchSize, int? segmentLength = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        (_model, _batchSize) = (model, batchSize);
        _segmentLength = model.CarriesState ? segmentLength ?? int.MaxValue : int.MaxValue;
        _tape = new Tape(model.Device);
    }

    /// <summary>The mean loss over every target of <paramref name="data"/> and that of each example.</summary>
    /// <exception cref="MarrowException">TR002 no example has a target; TR003 a loss is not finite, naming the line.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two batches.</exception>
    public Evaluation Run(TokenDataset data, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (data.Targets == 0)
            throw new MarrowException("TR002", $"The evaluation data has {data.Count} examples and not one token to predict: every label is masked. Check data.eval and its format. [TR002]");
        var examples = new ExampleLoss[data.Count];
        Span<int> indices = stackalloc int[Math.Min(_batchSize, 256)];
        double total = 0;
        for (int first = 0; first < data.Count; first += indices.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(indices.Length, data.Count - first);
            for (int i = 0; i < count; i++)
                indices[i] = first + i;
            _batch.Fill(data, indices[..count]);
            total += RunBatch(data, examples.AsSpan(first, count));
        }
        return new Evaluation(total / data.Targets, data.Targets, data.Tokens, examples);
    }

    /// <inheritdoc/>
    public void Dispose() => _tape.Dispose();

    private double RunBatch(TokenDataset data, Span<ExampleLoss> examples)
    {
        var sums = new double[examples.Length];
        int longest = 0;
        for (int i = 0; i < examples.Length; i++)
            longest = Math.Max(longest, _batch.Starts[i + 1] - _batch.Starts[i]);
        using RecurrentState? state = longest > _segmentLength ? _model.CreateCarriedState(_batch.Count) : null;
        for (long first = 0; first < longest; first += _segmentLength)
            AddLosses((int)first, state, sums);
        double total = 0;
        for (int i = 0; i < examples.Length; i++)
        {
            int targets = data[_batch.Examples[i]].Targets;
            double sum = sums[i];
            if (!double.IsFinite(sum))
                throw new MarrowException("TR003", $"The loss of the evaluation example {BatchLines.Name(data, _batch.Examples[i])} is {sum}: the model's values have diverged. Lower training.learning_rate and go on from an earlier checkpoint. [TR003]");
            examples[i] = new ExampleLoss(targets == 0 ? 0 : sum / targets, targets);
            total += sum;
        }
        return total;
    }

    private void AddLosses(int first, RecurrentState? state, double[] sums)
    {
        try
        {
            _segment.Fill(_batch, first, _segmentLength);
            _model.Loss(_tape, _segment, state, 1f, out Tensor rowLoss);
            var losses = new float[_segment.TokenCount];
            rowLoss.Download(losses.AsSpan());
            state?.Advance(_segmentLength);
            for (int i = 0; i < sums.Length; i++)
                for (int t = _segment.Starts[i]; t < _segment.Starts[i + 1]; t++)
                    sums[i] += losses[t];
        }
        finally
        {
            _tape.Clear();
        }
    }
}
