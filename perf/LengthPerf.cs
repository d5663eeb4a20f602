using System.Diagnostics;
using Marrow.Adapters;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;

namespace Marrow.Perf;

/// <summary>How a step's time and memory grow with the sequence's length when it is read in segments: one sequence, LoRA r 16.</summary>
internal static class LengthPerf
{
    private const int Segment = 1024, Steps = 2;

    public static int Run(string[] options)
    {
        string family = Array.IndexOf(options, "--model") is >= 0 and var i && i + 1 < options.Length ? options[i + 1] : "rwkv7";
        using var device = new CpuDevice(2);
        Console.WriteLine("| tokens | ms/step | µs/token | peak MiB of tensors |");
        Console.WriteLine("|---|---|---|---|");
        for (int length = Segment; length <= 16384; length *= 2)
        {
            using CausalModel model = ModelLoader.Create(device, StepRun.Shape(family), 1);
            using FineTuning tuning = StepRun.Tune(model, "lora", 16);
            using var trainer = new Trainer(model, tuning.Parameters, StepRun.RandomTokens(model.VocabularySize, 1, length),
                new TrainingOptions { MaxSteps = int.MaxValue, BatchSize = 1, SegmentLength = Segment });
            trainer.RunStep();
            List<double> times = [];
            for (int step = 0; step < Steps; step++)
            {
                long start = Stopwatch.GetTimestamp();
                trainer.RunStep();
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
            double best = times.Min();
            Console.WriteLine($"| {length} | {best:F0} | {1000 * best / length:F0} | {device.PeakBytes / 1048576.0:F0} |");
        }
        return 0;
    }
}
