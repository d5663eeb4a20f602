using System.Diagnostics;
using Marrow.Adapters;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Targets;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;

namespace Marrow.Perf;

/// <summary>What one process measured of the training step.</summary>
/// <param name="Method">The method and its rank.</param>
/// <param name="Trainable">Trained values.</param>
/// <param name="Milliseconds">The median optimizer step.</param>
/// <param name="TokensPerSecond">Tokens of a step over that time.</param>
/// <param name="PeakMib">The largest resident size of the whole process.</param>
/// <param name="PeakShare">4·N·tokens (6·N for full) over the step's time and the FMA peak measured between steps; null for a peer.</param>
/// <param name="BytesPerStep">Managed bytes allocated by a steady step; null for a peer.</param>
/// <param name="WkvShare">Time of the WKV operator alone, forward and backward in every layer, over the step's; null for other models.</param>
/// <param name="WeightMib">The frozen weights in memory; null for a peer.</param>
/// <param name="CpuMilliseconds">The median processor time of an optimizer step, which other programs on the machine change little; null for a peer.</param>
internal sealed record StepFigures(string Method, long Trainable, double Milliseconds, double TokensPerSecond, double PeakMib, double? PeakShare, long? BytesPerStep, double? WkvShare = null, double? WeightMib = null, double? CpuMilliseconds = null);

/// <summary>The training step of the shapes of perf/README.md, through the same Trainer as every job.</summary>
internal static class StepRun
{
    private const int Vocabulary = 8192, Batch = 4, Length = 256, WarmUp = 3;

    public static StepFigures Measure(string family, string method, int r, int threads, int steps, DType? weights = null)
    {
        using var device = new CpuDevice(threads);
        ModelConfig config = Shape(family);
        using CausalModel model = ModelLoader.Create(device, config, 1, weights);
        double weightMib = model.WeightBytes / 1048576.0;
        using FineTuning tuning = Tune(model, method, r);
        TokenDataset data = RandomTokens(Vocabulary, Batch, Length);
        using var trainer = new Trainer(model, tuning.Parameters, data, new TrainingOptions { MaxSteps = int.MaxValue, BatchSize = Batch });
        List<double> milliseconds = [], shares = [], busy = [];
        long bytes = 0;
        for (int step = 0; step < WarmUp + steps; step++)
        {
            double peak = 1e9 * FmaPeak.AllCores(device.Pool);
            long before = GC.GetAllocatedBytesForCurrentThread();
            TimeSpan used = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            StepReport report = trainer.RunStep();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            if (step < WarmUp)
                continue;
            milliseconds.Add(1000 * seconds);
            busy.Add((Environment.CpuUsage.TotalTime - used).TotalMilliseconds);
            shares.Add(report.Flops / seconds / peak);
        }
        double median = Median(milliseconds);
        return new StepFigures(method == "full" ? method : $"{method} r={r}", tuning.Parameters.Count, median, Batch * Length * 1000 / median,
            Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0, Median(shares), bytes, config is RwkvConfig rwkv ? WkvPerf.Milliseconds(device, rwkv, Batch, Length) / median : null, weightMib, Median(busy));
    }

    /// <summary>The type of frozen weights by the name that options have for it.</summary>
    /// <exception cref="MarrowException">PF003 not a type to measure.</exception>
    public static DType TypeOf(string weights) => weights switch
    {
        "fp32" => DType.F32,
        "bf16" => DType.BF16,
        "q8_0" => DType.Q8_0,
        "q4_k" => DType.Q4_K,
        "nf4" => DType.NF4,
        _ => throw new MarrowException("PF003", $"'{weights}' is not a type of weights to measure; known are bf16, q8_0, q4_k and nf4. [PF003]"),
    };

    /// <summary>The shape of a family: 8 layers of 512 channels, heads of 64.</summary>
    /// <exception cref="MarrowException">PF002 no such family.</exception>
    public static ModelConfig Shape(string family) => family switch
    {
        "llama" => new LlamaConfig
        {
            ModelType = "llama", VocabularySize = Vocabulary, HiddenSize = 512, IntermediateSize = 1376, LayerCount = 8, HeadCount = 8, KeyValueHeadCount = 8,
            HeadDim = 64, MaxPositions = 2048, RmsNormEps = 1e-5,
        },
        "rwkv7" => new RwkvConfig
        {
            ModelType = "rwkv7", Version = 7, VocabularySize = Vocabulary, HiddenSize = 512, IntermediateSize = 2048, LayerCount = 8, HeadSize = 64, MaxPositions = int.MaxValue,
            DecayRank = 64, RateRank = 64, ValueRank = 32, GateRank = 128,
        },
        "rwkv6" => new RwkvConfig
        {
            ModelType = "rwkv6", Version = 6, VocabularySize = Vocabulary, HiddenSize = 512, IntermediateSize = 1792, LayerCount = 8, HeadSize = 64, MaxPositions = int.MaxValue,
            DecayRank = 64, MixRank = 32,
        },
        _ => throw new MarrowException("PF002", $"'{family}' is not a family to measure; known are llama, rwkv7 and rwkv6. [PF002]"),
    };

    /// <summary>Attaches a method of rank <paramref name="r"/> to all linear layers; "full" trains everything.</summary>
    /// <exception cref="MarrowException">PF001 the method is not one to measure.</exception>
    public static FineTuning Tune(CausalModel model, string method, int r)
    {
        var targets = new TargetSelection { TargetModules = new ModulePattern(ModulePattern.AllLinear) };
        return method switch
        {
            "lora" => new AdaptedModel(model, new LoraConfig { R = r, LoraAlpha = 2 * r, Targets = targets }, 1),
            "bone" => new AdaptedModel(model, new MissConfig { R = r, Targets = targets }, 1),
            "bat" => new AdaptedModel(model, new BatConfig { R = r, Targets = targets }, 1),
            "full" => new Full(model),
            _ => throw new MarrowException("PF001", $"'{method}' is not a method to measure; known are lora, bone, bat and full. [PF001]"),
        };
    }

    /// <summary>Sequences of random tokens, every one a target.</summary>
    public static TokenDataset RandomTokens(int vocabulary, int sequences, int length)
    {
        var random = new SeededRandom(3, 0);
        return TokenDataset.From(Enumerable.Range(0, sequences).Select(_ =>
        {
            int[] ids = [.. Enumerable.Range(0, length).Select(_ => (int)(random.NextDouble() * vocabulary))];
            return new TokenExample(ids, ids);
        }));
    }

    /// <summary>The middle one.</summary>
    public static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }
}
