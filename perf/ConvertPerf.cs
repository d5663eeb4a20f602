using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Marrow.Formats.Safetensors;

namespace Marrow.Perf;

/// <summary>
/// Conversions of a synthetic Llama model in bf16: against cp of the same bytes, both until they are on the disk, and quantising, in weights a second of a
/// core. Memory is the process's own, without the page cache.
/// </summary>
internal static class ConvertPerf
{
    private const int Rounds = 5, PeerRounds = 3;

    private static readonly byte[] Values = Normal(1 << 20);

    public static int Run(string[] options)
    {
        double gigabytes = After(options, "--gigabytes") is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : 1;
        string parent = After(options, "--folder") ?? Path.GetTempPath();
        if (new DriveInfo(Path.GetFullPath(parent)).AvailableFreeSpace < 4 * gigabytes * 1e9)
        {
            Console.Error.WriteLine($"{parent} has less than {4 * gigabytes} GB free; choose another --folder, or fewer --gigabytes");
            return 2;
        }
        string folder = Directory.CreateDirectory(Path.Combine(parent, $"marrow-perf-{Guid.NewGuid():N}")).FullName;
        try
        {
            Measure(folder, gigabytes, options.Contains("--no-quantize") ? [] : ["Q8_0", "Q4_0", "Q6_K", "Q4_K_M"], After(options, "--peer"));
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Measure(string folder, double gigabytes, string[] types, string? python)
    {
        string model = Path.Combine(folder, "model"), target = Path.Combine(folder, "target.gguf");
        long weights = WriteModel(model, gigabytes);
        string source = Path.Combine(model, SafetensorsFolder.SingleFile);
        double size = new FileInfo(source).Length / 1e9;
        Console.WriteLine(Line($"{size:F2} GB of bf16, {weights / 1e6:F0} M weights, {Environment.ProcessorCount} processors; seconds until the bytes are on the disk, best of {Rounds} in turn"));
        Console.WriteLine("| conversion | s | GB/s written | of cp | M weights/s | M weights/s of a core | peak memory, MB |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        List<double> copies = [];
        Figures same = default;
        for (int round = 0; round < Rounds; round++)
        {
            copies.Add(Copy(source, Path.Combine(folder, "copy")));
            Figures figures = Convert(model, target, null);
            same = round == 0 || figures.Seconds < same.Seconds ? figures : same;
        }
        Print("cp and sync", new Figures(copies.Min(), 0, size, 0), weights, copies.Min());
        Print("safetensors to GGUF, same types", same, weights, copies.Min());
        foreach (string type in types.Where(t => BlockFormats.Of(GgufFileType.All.First(f => f.Name == t).Main).Encode is not null))
            Print(type, Convert(model, target, GgufFileType.Parse(type)), weights, null);
        if (python is not null)
            Compare(folder, model, types, weights, python);
    }

    /// <summary>GGUF to GGUF here and by llama.cpp, in turn on the same cores, both until the bytes are on the disk.</summary>
    private static void Compare(string folder, string model, string[] types, long weights, string python)
    {
        string source = Path.Combine(folder, "source.gguf"), target = Path.Combine(folder, "target.gguf");
        using (ModelFolder opened = ModelFolder.Open(model))
            ModelConversion.Write(source, ModelKind.Gguf, SourceModel.Of(opened));
        Console.WriteLine();
        Console.WriteLine("| GGUF to GGUF | s | llama.cpp, s | as fast as llama.cpp | M weights/s | peak memory, MB |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (string type in types)
        {
            List<double> peer = [];
            Figures best = default;
            for (int round = 0; round < PeerRounds; round++)
            {
                Figures figures = Convert(source, target, GgufFileType.Parse(type));
                best = round == 0 || figures.Seconds < best.Seconds ? figures : best;
                Sync();
                peer.Add(Quantise(python, source, target, GgufFileType.Parse(type).Number));
                File.Delete(target);
            }
            Console.WriteLine(Line($"| {type} | {best.Seconds:F2} | {peer.Min():F2} | {peer.Min() / best.Seconds:F2} × | {weights / best.Seconds / 1e6:F0} | {best.Memory:F0} |"));
        }
    }

    private static double Quantise(string python, string source, string target, int type)
    {
        string script = Path.Combine("perf", "peers", "llama_quantize.py"), library = Path.Combine("tests", "LlamaCpp", "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64");
        var start = new ProcessStartInfo(python, [script, library, source, target, Line($"{type}"), Line($"{Environment.ProcessorCount}")]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        return process.ExitCode == 0 ? double.Parse(lines[^1], CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"{script} ended with {process.ExitCode}: {errors.Result}");
    }

    private static Figures Convert(string model, string target, GgufFileType? type)
    {
        Sync();
        GC.Collect();
        using var memory = new MemoryWatch();
        TimeSpan before = Process.GetCurrentProcess().TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        long bytes;
        using (ModelFolder source = ModelFolder.Open(model))
            bytes = ModelConversion.Write(target, ModelKind.Gguf, SourceModel.Of(source), new ConversionOptions { FileType = type }).Bytes;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double work = (Process.GetCurrentProcess().TotalProcessorTime - before).TotalSeconds;
        File.Delete(target);
        return new Figures(seconds, work, bytes / 1e9, memory.Peak / 1e6);
    }

    private static double Copy(string source, string target)
    {
        Sync();
        long start = Stopwatch.GetTimestamp();
        RunProgram("cp", source, target);
        RunProgram("sync", target);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        File.Delete(target);
        return seconds;
    }

    private static void Sync() => RunProgram("sync");

    private static void RunProgram(string program, params string[] args)
    {
        using Process process = Process.Start(program, args);
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', args)} ended with {process.ExitCode}");
    }

    /// <summary>Writes a Llama model of about this size and gives the number of its weights.</summary>
    private static long WriteModel(string folder, double gigabytes)
    {
        const int hidden = 2048, feed = 5632, heads = 32, keyHeads = 8, vocabulary = 32_000;
        const long layer = 2L * hidden * hidden + 2L * hidden * hidden * keyHeads / heads + 3L * hidden * feed;
        int layers = Math.Max(1, (int)((gigabytes * 1e9 / 2 - 2L * vocabulary * hidden) / layer + 0.999));
        LlamaConfig config = new()
        {
            ModelType = "llama", VocabularySize = vocabulary, HiddenSize = hidden, IntermediateSize = feed, LayerCount = layers, HeadCount = heads,
            KeyValueHeadCount = keyHeads, HeadDim = hidden / heads, MaxPositions = 4096, TorchDType = DType.BF16,
        };
        AtomicFile.WriteText(Path.Combine(folder, "config.json"), config.ToJson());
        List<TensorToWrite> tensors = [Random("model.embed_tokens.weight", vocabulary, hidden), Random("lm_head.weight", vocabulary, hidden), Random("model.norm.weight", hidden)];
        for (int i = 0; i < layers; i++)
        {
            string at = $"model.layers.{i}.";
            tensors.AddRange(
            [
                Random(at + "input_layernorm.weight", hidden), Random(at + "post_attention_layernorm.weight", hidden),
                Random(at + "self_attn.q_proj.weight", hidden, hidden), Random(at + "self_attn.k_proj.weight", hidden * keyHeads / heads, hidden),
                Random(at + "self_attn.v_proj.weight", hidden * keyHeads / heads, hidden), Random(at + "self_attn.o_proj.weight", hidden, hidden),
                Random(at + "mlp.gate_proj.weight", feed, hidden), Random(at + "mlp.up_proj.weight", feed, hidden), Random(at + "mlp.down_proj.weight", hidden, feed),
            ]);
        }
        SafetensorsWriter.WriteModel(folder, tensors, long.MaxValue);
        return tensors.Sum(t => t.Count);
    }

    private static TensorToWrite Random(string name, params long[] shape)
    {
        long bytes = sizeof(ushort) * shape.Aggregate(1L, (a, b) => a * b);
        return new TensorToWrite(name, DType.BF16, shape, stream =>
        {
            for (long at = 0; at < bytes; at += Values.Length)
                stream.Write(Values.AsSpan(0, (int)Math.Min(Values.Length, bytes - at)));
        });
    }

    // Normally distributed, as trained weights nearly are: quantisers search longer than on equal values.
    private static byte[] Normal(int count)
    {
        var random = new Random(1);
        var values = new BFloat16[count];
        for (int i = 0; i < count; i++)
            values[i] = (BFloat16)(float)(0.02 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return MemoryMarshal.AsBytes<BFloat16>(values).ToArray();
    }

    private static void Print(string name, Figures figures, long weights, double? copy)
    {
        StringBuilder line = new();
        line.Append(CultureInfo.InvariantCulture, $"| {name} | {figures.Seconds:F2} | {figures.Gigabytes / figures.Seconds:F2} | ");
        line.Append(copy is { } seconds ? Line($"{seconds / figures.Seconds:P0}") : "").Append(" | ");
        line.Append(figures.Work > 0 ? Line($"{weights / figures.Seconds / 1e6:F0} | {weights / figures.Work / 1e6:F0} | {figures.Memory:F0} |") : " | | |");
        Console.WriteLine(line);
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string? After(string[] options, string name) => Array.IndexOf(options, name) is >= 0 and var i && i + 1 < options.Length ? options[i + 1] : null;

    private readonly record struct Figures(double Seconds, double Work, double Gigabytes, double Memory);

    /// <summary>The most memory that the process has of its own, looked at every few milliseconds (Linux).</summary>
    private sealed class MemoryWatch : IDisposable
    {
        private readonly CancellationTokenSource _end = new();
        private readonly Thread _thread;

        public MemoryWatch()
        {
            _thread = new Thread(() =>
            {
                while (!_end.IsCancellationRequested)
                {
                    Peak = Math.Max(Peak, Now());
                    Thread.Sleep(5);
                }
            });
            _thread.Start();
        }

        public long Peak { get; private set; }

        public void Dispose()
        {
            _end.Cancel();
            _thread.Join();
            _end.Dispose();
        }

        private static long Now() => File.Exists("/proc/self/status")
            ? File.ReadLines("/proc/self/status").Where(l => l.StartsWith("RssAnon:", StringComparison.Ordinal))
                .Select(l => 1024 * long.Parse(l.AsSpan(8).Trim(" \tkB"), CultureInfo.InvariantCulture)).FirstOrDefault()
            : 0;
    }
}
