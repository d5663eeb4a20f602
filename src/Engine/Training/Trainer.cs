using System.Diagnostics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Training;

/// <summary>
/// Trains the parameters of a set that a model reads. The loss is a token-weighted mean over the whole optimizer step, so batch 8 ×
/// accumulation 1 equals batch 1 × accumulation 8; a step never crosses the end of an epoch. The same options, data and model give
/// the same bits whatever the thread count, also after <see cref="Restore"/>. One thread drives it; it owns neither model nor parameters.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly CausalModel _model;
    private readonly TokenDataset _data;
    private readonly TokenDataset? _evaluationData;
    private readonly BatchPlan _plan;
    private readonly TokenBatch[] _batches;
    private readonly Tape _tape;
    private readonly Evaluator _evaluator;
    private readonly Watchdog _watchdog;
    private readonly StepReadings _readings;
    private readonly LearningRate _rate;
    private readonly double _flopsPerToken;
    private readonly BatchSegment _segment = new();
    private RecurrentState? _carried;

    /// <summary>A run over <paramref name="data"/> at its first step. <paramref name="decays"/> tells which parameters weight decay applies to; null for all.</summary>
    /// <exception cref="MarrowException">TR001 an option is out of range; TR004 there is nothing to train or no data; TR005 packed rows are shorter than an example; TR006 segments for a model that cannot carry a state.</exception>
    public Trainer(CausalModel model, ParameterSet parameters, TokenDataset data, TrainingOptions options, TokenDataset? evaluation = null, Func<Parameter, bool>? decays = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        CheckThereIsWork(parameters, data, options);
        (_model, _data, _evaluationData, Parameters, Options) = (model, data, evaluation, parameters, options);
        if (options.SegmentLength is not null)
            RequireCarriedState(model);
        model.ActivationCheckpointing = options.ActivationCheckpointing;
        Packing? packing = options.PackedLength is { } length ? new Packing(length) : null;
        _plan = new BatchPlan(data, new DataOrder(data.Count, options.Seed, options.Shuffle), options.BatchSize, packing);
        TotalSteps = options.MaxSteps ?? checked((int)_plan.CountSteps(options.Epochs!.Value, options.GradientAccumulationSteps));
        _rate = new LearningRate(options.LrSchedule, options.LearningRate, options.WarmupSteps, TotalSteps, options.MinLrRatio);
        _batches = new TokenBatch[options.GradientAccumulationSteps];
        int tokens = (int)Math.Min(data.Tokens, (long)options.BatchSize * (options.PackedLength ?? data.LongestLength));
        for (int i = 0; i < _batches.Length; i++)
        {
            _batches[i] = new TokenBatch();
            _batches[i].Reserve(tokens, packing is null ? Math.Min(options.BatchSize, data.Count) : Math.Min(tokens, data.Count));
        }
        _tape = new Tape(model.Device) { Recording = true, Training = true };
        _evaluator = new Evaluator(model, options.BatchSize, options.SegmentLength);
        _watchdog = new Watchdog(options.StallSteps);
        _flopsPerToken = model.Linears.Select(l => l.Weight).Append(model.Head).Sum(w => (w.Value.NeedsGrad ? 6.0 : 4.0) * w.Value.Shape.Count);
        Optimizer = new AdamW(parameters, new AdamWOptions(options.Beta1, options.Beta2, options.Eps, options.WeightDecay), decays);
        _readings = new StepReadings(model.Device, _batches.Length, Optimizer);
        model.Device.ResetPeak();
    }

    /// <summary>What is trained.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>The settings.</summary>
    public TrainingOptions Options { get; }

    /// <summary>Moments and their count.</summary>
    public AdamW Optimizer { get; }

    /// <summary>Optimizer steps done.</summary>
    public int Step { get; private set; }

    /// <summary>Optimizer steps of the whole run.</summary>
    public int TotalSteps { get; }

    /// <summary>Where the next step's data begin.</summary>
    public DataCursor Cursor => _plan.Cursor;

    /// <summary>The evaluation loss after step <see cref="Step"/>; null where there was none.</summary>
    public double? EvaluationLoss { get; private set; }

    /// <summary>The lowest evaluation loss so far.</summary>
    public double? BestEvaluationLoss { get; private set; }

    /// <summary>Runs all steps that are left, evaluates and calls for checkpoints as the options say. Cancellation lets the running step finish.</summary>
    /// <exception cref="MarrowException">As <see cref="RunStep"/>.</exception>
    public TrainingOutcome Run(ITrainingObserver? observer = null, CancellationToken cancellation = default)
    {
        int saved = Step;
        while (Step < TotalSteps && !cancellation.IsCancellationRequested)
        {
            StepReport report = RunStep();
            observer?.StepDone(report);
            if (_evaluationData is not null && (Step == TotalSteps || (Options.EvalSteps is { } every && Step % every == 0)))
                EvaluateNow(observer, cancellation);
            if (Options.SaveSteps is { } steps && (Step % steps == 0 || Step == TotalSteps))
            {
                saved = Step;
                observer?.CheckpointDue(this);
            }
        }
        if (Step == TotalSteps)
            return TrainingOutcome.Finished;
        if (saved != Step)
            observer?.CheckpointDue(this);
        return TrainingOutcome.Cancelled;
    }

    /// <summary>Does one optimizer step: forward and backward of each micro-batch, then clipping and the update.</summary>
    /// <exception cref="MarrowException">TR010 no target in the step; TR011 loss or gradient is not finite; TR012, TR013 the run stands still. The update is not applied, and the data stand where they stood.</exception>
    public StepReport RunStep()
    {
        long started = Stopwatch.GetTimestamp();
        int step = Step + 1;
        DataCursor from = _plan.Cursor;
        try
        {
            ReadOnlySpan<TokenBatch> batches = NextBatches(out long tokens, out int targets);
            Watchdog.CheckTargets(step, targets, _data, batches);
            Parameters.Gradients.Clear();
            for (int i = 0; i < batches.Length; i++)
                RunBatch(step, i, 1f / targets, batches[i]);
            double norm = _readings.Read(), rate = _rate.At(step), loss = 0;
            for (int i = 0; i < batches.Length; i++)
            {
                Watchdog.CheckLoss(step, _readings.Losses[i], _data, batches.Slice(i, 1));
                loss += _readings.Losses[i];
            }
            _watchdog.CheckNorm(step, norm, _data, batches);
            Optimizer.Update(rate, Options.MaxGradNorm is { } max ? AdamW.ClipFactor(norm, max) : 1);
            Step = step;
            EvaluationLoss = null;
            return new StepReport(step, TotalSteps, loss, norm, rate, tokens, targets, _flopsPerToken * tokens, _model.Device.PeakBytes, Stopwatch.GetElapsedTime(started));
        }
        catch
        {
            _plan.Seek(from);
            throw;
        }
    }

    /// <summary>The model's loss on <paramref name="data"/>, as it is now.</summary>
    public Evaluation Evaluate(TokenDataset data, CancellationToken cancellation = default) => _evaluator.Run(data, cancellation);

    /// <summary>Goes on from a checkpoint: parameters, moments, step and place in the data.</summary>
    /// <exception cref="MarrowException">TR024 the checkpoint is of a run with other settings, data or parameters; nothing has changed then. ST…, IO… the file cannot be read.</exception>
    public void Restore(TrainingCheckpoint checkpoint, string jobHash)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        checkpoint.RequireSame(Identity(jobHash));
        checkpoint.RequireParameters(Parameters);
        if (checkpoint.Step > TotalSteps)
            throw new MarrowException("TR024", $"{checkpoint.Folder}: stands at step {checkpoint.Step}, the run has {TotalSteps}; raise training.max_steps or epochs. [TR024]");
        _plan.Seek(checkpoint.Cursor);
        checkpoint.ReadInto(Parameters, Optimizer);
        Step = Optimizer.Updates = checkpoint.Step;
        (EvaluationLoss, BestEvaluationLoss) = (checkpoint.EvaluationLoss, checkpoint.BestEvaluationLoss);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Optimizer.Dispose();
        _readings.Dispose();
        _evaluator.Dispose();
        _tape.Dispose();
        _carried?.Dispose();
    }

    /// <summary>What must be the same for a checkpoint to belong to this run, by key.</summary>
    internal IEnumerable<(string Key, string Value)> Identity(string jobHash) =>
    [
        ("job_hash", jobHash),
        .. Options.Identity(TotalSteps).Select(o => ($"training.{o.Key}", o.Value)),
        ("data.train", FormattableString.Invariant($"{_data.Count} examples, {_data.Tokens} tokens, {_data.Targets} targets")),
    ];

    // Examples whose state is carried at a time.
    private int CarriedSequences => Math.Min(Options.BatchSize, _data.Count);

    private ReadOnlySpan<TokenBatch> NextBatches(out long tokens, out int targets)
    {
        (tokens, targets) = (0, 0);
        int count = 0, epoch = _plan.Cursor.Epoch;
        do
        {
            TokenBatch batch = _batches[count++];
            _plan.Next(batch);
            tokens += batch.TokenCount;
            targets = checked(targets + batch.Targets);
        }
        while (count < _batches.Length && _plan.Cursor.Epoch == epoch);
        return _batches.AsSpan(0, count);
    }

    private void RunBatch(int step, int micro, float scale, TokenBatch batch)
    {
        try
        {
            // Distinct for every micro-batch of the run, and the same when the step is computed again after a resume.
            _tape.DrawKey = SplitMix64.Mix((ulong)Options.Seed ^ SplitMix64.Mix(((ulong)step << 32) + (uint)micro));
            if (Options.SegmentLength is { } length)
            {
                RunSegments(micro, scale, batch, length);
                return;
            }
            Tensor loss = _model.Loss(_tape, batch, scale, out _);
            _readings.Keep(micro, loss);
            _tape.Backward(loss);
        }
        finally
        {
            _tape.Clear();
        }
    }

    // Gradients end at the borders of segments, the state goes on. Packed rows hold many examples: they are read in groups, so that no pass is larger
    // than batch_size segments.
    private void RunSegments(int micro, float scale, TokenBatch batch, int length)
    {
        ulong draws = _tape.DrawKey;
        bool begun = false;
        for (int from = 0, to; from < batch.Count; from = to)
        {
            to = EndOfGroup(batch, from, length, out int longest);
            RecurrentState? carried = longest > length ? _carried ??= _model.CreateCarriedState(CarriedSequences) : null;
            carried?.Reset();
            for (int first = 0; first < longest; first += length)
            {
                _segment.Fill(batch, first, length, from, to, carried?.Sequences ?? 0);
                _tape.DrawKey = draws ^ (ulong)first ^ ((ulong)from << 32);
                // A segment without a target is read for its state only.
                _tape.Recording = _segment.CountedTargets > 0;
                Tensor loss = _model.Loss(_tape, _segment, carried, scale, out _);
                _readings.Keep(micro, loss, add: begun);
                begun = true;
                if (_tape.Recording)
                    _tape.Backward(loss);
                _tape.Recording = true;
                _tape.Clear();
                carried?.Advance(length);
            }
        }
    }

    private int EndOfGroup(TokenBatch batch, int from, int length, out int longest)
    {
        long rows = 0;
        longest = 0;
        int to = from;
        for (; to < batch.Count; to++)
        {
            int size = batch.Starts[to + 1] - batch.Starts[to], most = Math.Max(longest, size);
            rows += Math.Min(size, length);
            if (to > from && (rows > (long)Options.BatchSize * length || (most > length && to - from >= CarriedSequences)))
                break;
            longest = most;
        }
        return to;
    }

    private void EvaluateNow(ITrainingObserver? observer, CancellationToken cancellation)
    {
        try
        {
            Evaluation evaluation = Evaluate(_evaluationData!, cancellation);
            bool best = evaluation.Loss < (BestEvaluationLoss ?? double.PositiveInfinity);
            EvaluationLoss = evaluation.Loss;
            BestEvaluationLoss = Math.Min(evaluation.Loss, BestEvaluationLoss ?? double.PositiveInfinity);
            observer?.Evaluated(Step, evaluation, best);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The loop sees the cancellation and ends the run in order.
        }
    }

    /// <summary>Throws where a model cannot be trained in segments.</summary>
    /// <exception cref="MarrowException">TR006: it has no state to carry from one to the next.</exception>
    public static void RequireCarriedState(CausalModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!model.CarriesState)
            throw new MarrowException("TR006", $"training.segment_length is set, but a {model.ModelType} model has no recurrent state to carry from segment to segment; leave it out, or take an RWKV model. [TR006]");
    }

    private static void CheckThereIsWork(ParameterSet parameters, TokenDataset data, TrainingOptions options)
    {
        if (parameters.Count == 0)
            throw new MarrowException("TR004", "There is nothing to train: the adapter has no parameters. Check adapter.target_modules. [TR004]");
        if (data.Targets == 0)
            throw new MarrowException("TR004", $"The training data has {data.Count} examples and not one token to predict. Check data.train, data.format and data.mask_prompt. [TR004]");
        if (options.PackedLength is { } length && data.LongestLength > length)
            throw new MarrowException("TR005", $"The longest example has {data.LongestLength} tokens, a packed row {length}. Raise data.max_length. [TR005]");
    }
}
