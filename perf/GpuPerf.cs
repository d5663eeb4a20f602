using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Marrow.Adapters;
using Marrow.Engine;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;

namespace Marrow.Perf;

/// <summary>A device's speed: training steps of a model's shape with random weights, its matrix products, copies and launches.</summary>
internal static class GpuPerf
{
    private const int WarmUp = 3, LaunchesTimed = 2000;
    private const double CopySeconds = 0.2;
    private static readonly Kernel NothingKernel = Kernel.Of(typeof(GpuPerf), nameof(Nothing));

    public static int Run(string[] options)
    {
        string name = After(options, "--device") ?? "auto";
        GpuShape shape = GpuShape.Of(After(options, "--shape") ?? "tinyllama");
        string? only = After(options, "--only");
        bool json = options.Contains("--json");
        double? peak = After(options, "--peak") is { } text ? double.Parse(text, CultureInfo.InvariantCulture) * 1e12 : null;
        string? cache = After(options, "--kernel-cache");
        string[] folders = After(options, "--libraries")?.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries) ?? [];
        using Device opened = DeviceCatalog.Open(name, new DeviceOptions { KernelCache = cache, LibraryFolders = folders, Notice = Console.Error.WriteLine });
        if (opened is not KernelDevice device)
            throw new MarrowException("PF003", $"{name} runs no kernels; `perf -- step` measures the processor. [PF003]");
        if (!json)
            Console.WriteLine($"{device.Name}: {device.Description}");
        double launch = LaunchSeconds(device);
        if (only is null or "copy")
        {
            (double copy, double up, double down) = Copies(device);
            Print(json, new { part = "copy", device_gbs = copy, upload_gbs = up, download_gbs = down, launch_us = 1e6 * launch },
                $"copies: {copy:F0} GB/s on the device (read and written), {up:F1} to it, {down:F1} from it; a launch takes the host {1e6 * launch:F1} us");
        }
        if (only is null or "gemm")
        {
            foreach (GpuProduct product in GpuProduct.Of(shape))
            {
                double rate = product.Measure(device);
                Print(json, new { part = "gemm", name = product.Name, m = product.M, n = product.N, k = product.K, tflops = rate * 1e-12, of_peak = rate / peak },
                    $"gemm {product.Name,-12}{product.M,7}{product.N,7}{product.K,7}{rate * 1e-12,10:F2} TFLOP/s{Share(rate / peak)}");
            }
        }
        if (only is null or "step")
        {
            string method = After(options, "--method") ?? "lora";
            int r = int.Parse(After(options, "--r") ?? (method == "lora" ? "16" : "64"), CultureInfo.InvariantCulture);
            int rows = int.Parse(After(options, "--rows") ?? $"{shape.Rows}", CultureInfo.InvariantCulture), steps = int.Parse(After(options, "--steps") ?? "10", CultureInfo.InvariantCulture);
            GpuStepFigures f = Step(device, shape, method, r, rows, steps, launch, peak);
            Print(json, f, $"{shape.Name}, {f.Method}, {rows} x {shape.Length} tokens: {f.Milliseconds:F1} ms/step, {f.TokensPerSecond:F0} tokens/s{Share(f.PeakShare)}, "
                + $"{f.PeakMib:F0} MiB ({f.ReservedMib:F0} taken), {f.Launches} launches keep the host busy for {f.HostShare:P0} of the step, {f.Waits} waits, {f.BytesPerStep} managed B/step, loss {f.Loss:F3}");
        }
        return 0;
    }

    private static GpuStepFigures Step(KernelDevice device, GpuShape shape, string method, int r, int rows, int steps, double launchSeconds, double? peak)
    {
        using Llama model = shape.Build(device);
        model.ActivationType = DType.BF16;
        using FineTuning tuning = StepRun.Tune(model, method, r);
        TokenDataset data = StepRun.RandomTokens(shape.Config.VocabularySize, rows, shape.Length);
        using var trainer = new Trainer(model, tuning.Parameters, data, new TrainingOptions { MaxSteps = int.MaxValue, BatchSize = rows });
        List<double> milliseconds = [];
        long bytes = 0, launches = 0, waits = 0;
        StepReport report = default;
        for (int step = 0; step < WarmUp + steps; step++)
        {
            device.Synchronize();
            long before = GC.GetAllocatedBytesForCurrentThread(), launched = device.Launches, waited = device.Waits, start = Stopwatch.GetTimestamp();
            report = trainer.RunStep();
            device.Synchronize();
            double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            (bytes, launches, waits) = (GC.GetAllocatedBytesForCurrentThread() - before, device.Launches - launched, device.Waits - waited - 1);
            if (step >= WarmUp)
                milliseconds.Add(elapsed);
        }
        double median = StepRun.Median(milliseconds);
        return new GpuStepFigures("step", shape.Name, method == "full" ? method : $"{method} r={r}", tuning.Parameters.Count, rows * shape.Length, median, report.Tokens * 1000 / median,
            report.Flops / report.Tokens, report.Flops * 1000 / median / peak, report.PeakBytes / 1048576.0, device.ReservedBytes / 1048576.0, launches, waits,
            launches * launchSeconds * 1000 / median, bytes, report.Loss);
    }

    // The host's part of a launch: queued one behind the other, the device has almost nothing to do.
    private static double LaunchSeconds(KernelDevice device)
    {
        using var x = new Tensor(device, new Engine.Shape(64));
        for (int i = 0; i < 100; i++)
            device.Launch(NothingKernel, new Grid(32, 1), x, -1);
        device.Synchronize();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < LaunchesTimed; i++)
            device.Launch(NothingKernel, new Grid(32, 1), x, -1);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / LaunchesTimed;
        device.Synchronize();
        return seconds;
    }

    [Kernel]
    private static void Nothing(View<float> x, int n)
    {
        if (Gpu.Item < n)
            x[Gpu.Item] = 0f;
    }

    private static (double Device, double Up, double Down) Copies(KernelDevice device)
    {
        int count = (int)Math.Clamp(device.Capabilities.MemoryBytes / 64, 1 << 20, 1 << 30) / sizeof(float);
        var host = new float[Math.Min(count, 16 << 20)];
        using Tensor from = new(device, new Engine.Shape(count)), to = new(device, new Engine.Shape(count));
        from.Clear();
        double copy = Rate(device, 2.0 * from.Bytes, () => device.Copy(from.Buffer, from.Offset, to.Buffer, to.Offset, from.Bytes));
        double up = Rate(device, host.Length * 4.0, () => to.Upload<float>(host));
        double down = Rate(device, host.Length * 4.0, () => device.Download(to.Buffer, to.Offset, System.Runtime.InteropServices.MemoryMarshal.AsBytes(host.AsSpan())));
        return (copy * 1e-9, up * 1e-9, down * 1e-9);
    }

    /// <summary>Work over time of the fastest of some rounds, each of which ends with a wait for the device.</summary>
    internal static double Rate(KernelDevice device, double work, Action run)
    {
        run();
        device.Synchronize();
        double best = double.MaxValue;
        long end = Stopwatch.GetTimestamp() + (long)(CopySeconds * Stopwatch.Frequency);
        for (int round = 0; round < 3 || Stopwatch.GetTimestamp() < end; round++)
        {
            const int times = 4;
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < times; i++)
                run();
            device.Synchronize();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / times);
        }
        return work / best;
    }

    private static string Share(double? share) => share is { } s ? $", {s:P1} of peak" : "";

    private static void Print<T>(bool json, T figures, string text) => Console.WriteLine(json ? JsonSerializer.Serialize(figures) : text);

    private static string? After(string[] options, string name)
    {
        int i = Array.IndexOf(options, name);
        return i >= 0 && i + 1 < options.Length ? options[i + 1] : null;
    }
}

/// <summary>What was measured of a training step on a device.</summary>
/// <param name="Part">"step".</param>
/// <param name="Shape">The model's shape.</param>
/// <param name="Method">The method and its rank.</param>
/// <param name="Trainable">Trained values.</param>
/// <param name="Tokens">Tokens of a step.</param>
/// <param name="Milliseconds">The median step.</param>
/// <param name="TokensPerSecond">Tokens of a step over that time.</param>
/// <param name="FlopsPerToken">4·N for adapters, 6·N for full.</param>
/// <param name="PeakShare">Those FLOPs over the peak that was named; null where none was.</param>
/// <param name="PeakMib">The most that tensors held.</param>
/// <param name="ReservedMib">Memory taken from the driver.</param>
/// <param name="Launches">Kernels of a step.</param>
/// <param name="Waits">Times that a step waits for the device.</param>
/// <param name="HostShare">The time that the host needs to queue them over the step's; near or above one, the device waits for the host.</param>
/// <param name="BytesPerStep">Managed bytes allocated by a steady step.</param>
/// <param name="Loss">The last step's loss.</param>
internal sealed record GpuStepFigures(string Part, string Shape, string Method, long Trainable, int Tokens, double Milliseconds, double TokensPerSecond, double FlopsPerToken, double? PeakShare,
    double PeakMib, double ReservedMib, long Launches, long Waits, double HostShare, long BytesPerStep, double Loss);
