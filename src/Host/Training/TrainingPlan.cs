using Marrow.Adapters;
using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Engine;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Tokenizers;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;
using Marrow.Host.Models;
using Marrow.Host.Progress;
using Marrow.Host.Runs;

namespace Marrow.Host.Training;

/// <summary>Everything about a job that can be found out before a weight is loaded; what is wrong with it is thrown here.</summary>
internal sealed class TrainingPlan : IDisposable
{
    private TrainingPlan(JobFile job, RunStart start, ModelFolder folder) => (Job, Start, Folder) = (job, start, folder);

    /// <summary>The job.</summary>
    public JobFile Job { get; }

    /// <summary>What to do where its run folder holds a run.</summary>
    public RunStart Start { get; }

    /// <summary>The model's files.</summary>
    public ModelFolder Folder { get; }

    /// <summary>The model's tokenizer; null where the folder has none.</summary>
    public ModelTokenizer? Tokenizer { get; private init; }

    /// <summary>The examples.</summary>
    public required TrainingData Data { get; init; }

    /// <summary>Optimizer steps of the whole run.</summary>
    public required int Steps { get; init; }

    /// <summary>Values of the base model.</summary>
    public required long BaseValues { get; init; }

    /// <summary>Values that are trained.</summary>
    public required long TrainedValues { get; init; }

    /// <summary>Linear layers that are adapted; null where all weights are trained.</summary>
    public required int? AdaptedLayers { get; init; }

    /// <summary>The block types that weights have in memory.</summary>
    public required IReadOnlyList<DType> QuantisedTypes { get; init; }

    /// <summary>What training will take.</summary>
    public required MemoryEstimate Memory { get; init; }

    /// <summary>The device that will compute; open unless the plan is a dry run's.</summary>
    public required DeviceListing Place { get; init; }

    /// <summary>The open device, which is the plan's; null for a dry run.</summary>
    public required Device? Device { get; init; }

    /// <summary>The model as it will be loaded.</summary>
    public required ModelChoice Choice { get; init; }

    /// <summary>The type of activations.</summary>
    public required DType Activations { get; init; }

    /// <summary>What memory there is.</summary>
    public required MemoryRoom Room { get; init; }

    /// <summary>What should be known but keeps nothing from being done.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Looks at everything. For a dry run an output folder that is taken is a warning only, and the device is found and not opened.</summary>
    /// <exception cref="MarrowException">Something is wrong with the job, the run folder, the model, the adapter, the data or the device, or memory will not do.</exception>
    public static TrainingPlan Make(TrainingRequest request, DeviceOpener devices, bool dryRun, CancellationToken stopping)
    {
        List<string> warnings = [];
        JobPaths.Check(request.Job);
        JobFile job = Tuning.Settled(request.Job);
        RunStart start = request.Start;
        ModelChoice choice = ModelChoice.Of(job.Spec, request.DumpKernels);
        DType? given = choice.Matrices;
        try
        {
            RunFolder.Check(job, start);
        }
        catch (MarrowException e) when (dryRun)
        {
            // A look at the plan takes no folder; who wants to train hears of it then and now.
            warnings.Add(e.Message);
        }
        ModelFolder folder = ModelFolder.Open(choice.Path);
        Device? device = null;
        try
        {
            warnings.AddRange(folder.Warnings);
            ModelTokenizer? tokenizer = ModelTokenizer.Of(folder);
            warnings.AddRange(tokenizer?.Warnings ?? []);
            ModelSizes layout = Layout(folder, job.Spec, given, warnings);
            TrainingData data = TrainingData.Load(job.Spec, LoadedModel.VocabularyOf(folder, tokenizer), stopping);
            device = dryRun ? null : devices.Open(choice.Device);
            DeviceListing place = device is null ? devices.Find(choice.Device)
                : new DeviceListing(device.Name, device.Description, (device as KernelDevice)?.Capabilities, null, null);
            DType matrices = given ?? LoadedModel.MatricesOf(folder), activations = choice.ActivationsOn(place.Capabilities, matrices);
            var plan = new TrainingPlan(job, start, folder)
            {
                Tokenizer = tokenizer,
                Data = data,
                Steps = StepCount.Of(job.Spec.Training, StepCount.Batches(job.Spec, data.Train)),
                BaseValues = layout.Values,
                TrainedValues = layout.Trained,
                AdaptedLayers = layout.AdaptedLayers,
                QuantisedTypes = layout.QuantisedTypes,
                Memory = Estimate(folder, matrices, layout, activations, place.Capabilities, job.Spec, data),
                Place = place,
                Device = device,
                Choice = choice,
                Activations = activations,
                Room = MemoryRoom.Of(place, choice.Device.MemoryBytes),
                Warnings = warnings,
            };
            plan.Judge(warnings);
            return plan;
        }
        catch
        {
            device?.Dispose();
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The trainer's settings.</summary>
    public TrainingOptions Options()
    {
        TrainingSpec training = Job.Spec.Training;
        return new TrainingOptions
        {
            MaxSteps = Steps,
            BatchSize = training.BatchSize,
            GradientAccumulationSteps = training.GradientAccumulationSteps,
            LearningRate = training.LearningRate,
            LrSchedule = Enum.Parse<LearningRateSchedule>(training.LrSchedule, ignoreCase: true),
            WarmupSteps = training.WarmupSteps,
            MinLrRatio = training.MinLrRatio,
            WeightDecay = training.WeightDecay,
            Beta1 = training.Betas[0],
            Beta2 = training.Betas[1],
            Eps = training.Eps,
            MaxGradNorm = training.MaxGradNorm > 0 ? training.MaxGradNorm : null,
            Seed = training.Seed,
            Shuffle = Job.Spec.Data.Shuffle,
            PackedLength = Job.Spec.Data.Packing ? Job.Spec.Data.MaxLength : null,
            SegmentLength = training.SegmentLength,
            ActivationCheckpointing = training.ActivationCheckpointing,
            EvalSteps = training.EvalSteps,
            SaveSteps = training.SaveSteps,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Device?.Dispose();
        Folder.Dispose();
    }

    /// <summary>Builds the model and what is trained of it without values, which also checks that they belong together.</summary>
    private static ModelSizes Layout(ModelFolder folder, JobSpec job, DType? matrices, List<string> warnings)
    {
        using var device = new LayoutDevice();
        using CausalModel model = ModelLoader.Build(device, folder.Config, (name, shape) =>
            new Tensor(device, shape, WeightTypes.InMemory(folder.Config, name, shape, folder.Tensors.Tensors.TryGetValue(name, out TensorInfo? info) ? info.DType : DType.F32, matrices)));
        warnings.AddRange(WeightTypes.Remarks(model, matrices, folder.Tensors));
        if (job.Training.SegmentLength is not null)
            Trainer.RequireCarriedState(model);
        var layout = new ModelSizes(model.Weights.Sum(w => w.Value.Shape.Count), model.WeightBytes, [.. model.Weights.Select(w => w.Value.DType).Where(t => t.IsBlock()).Distinct()], MemoryEstimate.DecodedCopy(model));
        using FineTuning tuning = Tuning.Of(model, job, warnings);
        return layout with { Trained = tuning.Parameters.Count, AdaptedLayers = (tuning as AdaptedModel)?.Layers.Count };
    }

    private static MemoryEstimate Estimate(ModelFolder folder, DType matrices, ModelSizes layout, DType activations, DeviceCapabilities? device, JobSpec job, TrainingData data)
    {
        int batch = Math.Min(job.Training.BatchSize, data.Train.Count), row = job.Data.Packing ? job.Data.MaxLength : data.Train.LongestLength;
        // In segments only a segment of each sequence is in memory, and the state of those that go on.
        bool carries = data.Train.LongestLength > job.Training.SegmentLength;
        row = Math.Min(row, job.Training.SegmentLength ?? row);
        int tokens = (int)Math.Min(data.Train.Tokens, (long)job.Training.BatchSize * row);
        // Packed rows hold examples of the usual length.
        int sequences = job.Data.Packing && !carries ? (int)Math.Max(1, (long)tokens * data.Train.Count / data.Train.Tokens) : batch;
        var estimate = MemoryEstimate.For(folder.Config, matrices, layout.Trained, tokens, job.Training.ActivationCheckpointing, activations, sequences, carries);
        long copy = device is { MatrixUnits: true } && activations == DType.BF16 ? layout.DecodedCopy : 0;
        // Each weight has a type of its own. Trained weights take the place of the base's.
        return estimate with { Weights = job.Adapter.Method == "full" ? 0 : layout.WeightBytes, BlockWork = estimate.BlockWork + copy, HeadWork = estimate.HeadWork + copy };
    }

    private void Judge(List<string> warnings)
    {
        if (Memory.Total > Room.TotalBytes)
            throw new MarrowException("ME001", $"training would take about {Quantity.Bytes(Memory.Total)} (weights {Quantity.Bytes(Memory.Weights)}, trained values {Quantity.Bytes(Memory.Trainable)}, "
                + $"activations {Quantity.Bytes(Memory.Activations)}), and {Room.Where} may use {Quantity.Bytes(Room.TotalBytes)}; lower training.batch_size or {(Folder.Config is RwkvConfig ? "training.segment_length" : "data.max_length")}, "
                + "set training.activation_checkpointing: true, model.dtype: bf16 or nf4, or take a smaller model");
        if (Memory.Total > Room.FreeBytes)
            warnings.Add($"training takes about {Quantity.Bytes(Memory.Total)}, and {Quantity.Bytes(Room.FreeBytes.Value)} are free now; close other programs or lower training.batch_size");
        if (Data.Train.LongestLength > Folder.Config.MaxPositions)
            warnings.Add($"the longest example has {Data.Train.LongestLength} tokens, the model was made for {Folder.Config.MaxPositions}; lower data.max_length");
        if (Job.Spec.Training.WarmupSteps >= Steps)
            warnings.Add($"training.warmup_steps is {Job.Spec.Training.WarmupSteps}, and the run has {Steps} steps: the learning rate never reaches its height");
        foreach (var file in Data.Files)
        {
            if (file.Statistics.Truncated > 0)
                warnings.Add(FormattableString.Invariant($"{file.Report.Path}: {file.Statistics.Truncated} examples are cut to data.max_length {file.Statistics.MaxLength}"));
            if (file.Report.WarningCount > 0)
                warnings.Add($"{file.Report.Path}: {file.Report.WarningCount} remarks, the first: {file.Report.Warnings[0]}{(file.Report.WarningCount > 1 ? " (--dry-run shows them)" : "")}");
        }
    }

    /// <summary>What the names and shapes of a model tell.</summary>
    private sealed record ModelSizes(long Values, long WeightBytes, IReadOnlyList<DType> QuantisedTypes, long DecodedCopy)
    {
        public long Trained { get; init; }

        public int? AdaptedLayers { get; init; }
    }
}
