using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Marrow.Perf;

/// <summary>
/// The training step against PyTorch's: each measurement is a process of its own, ours and the peer's in turn, so that peak memory is
/// the whole program's and both see the same machine.
/// </summary>
internal static class StepPerf
{
    private static readonly (string Method, int Rank)[] Rows = [("lora", 16), ("bone", 64), ("lora", 35), ("bat", 32), ("full", 0)];

    public static int Run(string[] options)
    {
        if (options is ["--one", var family, var name, var r, var threads, var steps, .. var weights])
        {
            Console.WriteLine(JsonSerializer.Serialize(StepRun.Measure(family, name, int.Parse(r, null), int.Parse(threads, null), int.Parse(steps, null), StepRun.TypeOf(weights.FirstOrDefault() ?? "fp32"))));
            return 0;
        }
        if (After(options, "--weights") is { } type)
            return Quantised(options, type);
        int rounds = options.Contains("--quick") ? 1 : 3;
        string? only = After(options, "--only"), python = After(options, "--peer");
        string model = After(options, "--model") ?? "llama";
        Console.WriteLine("| method | trained | ms/step | tokens/s | peak MiB | of FMA peak | managed B/step | WKV share | PyTorch tokens/s | PyTorch MiB | speed ratio | memory ratio |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|");
        foreach ((string method, int rank) in Rows.Where(row => only is null || row.Method == only))
        {
            List<StepFigures> ours = [], theirs = [];
            for (int round = 0; round < rounds; round++)
            {
                ours.Add(JsonSerializer.Deserialize<StepFigures>(Output(Environment.ProcessPath!, ["step", "--one", model, method, $"{rank}", "2", "12"]))!);
                if (python is not null && (model == "llama" ? (method, rank) != ("lora", 35) : (method, rank) is ("lora", 16) or ("full", 0)))
                    theirs.Add(Peer(python, model, method));
            }
            Print(ours, theirs);
        }
        return 0;
    }

    // Frozen weights in quantised blocks beside fp32 ones, in turn, so that both see the same machine.
    private static int Quantised(string[] options, string type)
    {
        int rounds = options.Contains("--quick") ? 1 : 3;
        string? only = After(options, "--only");
        string model = After(options, "--model") ?? "llama";
        Console.WriteLine($"| method | fp32 tokens/s | {type} tokens/s | speed ratio | fp32 CPU ms/step | {type} CPU ms/step | fp32 weights MiB | {type} weights MiB | weight ratio | fp32 peak MiB | {type} peak MiB | managed B/step |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|");
        foreach ((string method, int rank) in Rows.Where(row => only is null ? row.Method != "full" : row.Method == only))
        {
            List<StepFigures> plain = [], blocks = [];
            for (int round = 0; round < rounds; round++)
            {
                foreach ((List<StepFigures> to, string weights) in new[] { (plain, "fp32"), (blocks, type) })
                    to.Add(JsonSerializer.Deserialize<StepFigures>(Output(Environment.ProcessPath!, ["step", "--one", model, method, $"{rank}", "2", "12", weights]))!);
            }
            StepFigures a = plain.MaxBy(f => f.TokensPerSecond)!, b = blocks.MaxBy(f => f.TokensPerSecond)!;
            Console.WriteLine($"| {a.Method} | {a.TokensPerSecond:F0} | {b.TokensPerSecond:F0} | {b.TokensPerSecond / a.TokensPerSecond:F2} | {plain.Min(f => f.CpuMilliseconds):F0} | {blocks.Min(f => f.CpuMilliseconds):F0} | {a.WeightMib:F1} | {b.WeightMib:F1} | {b.WeightMib / a.WeightMib:F2} "
                + $"| {a.PeakMib:F0} | {b.PeakMib:F0} | {b.BytesPerStep} |");
        }
        return 0;
    }

    // The best round of each side: both are slowed by whatever else the machine does, never sped up.
    private static void Print(List<StepFigures> ours, List<StepFigures> theirs)
    {
        StepFigures a = ours.MaxBy(f => f.TokensPerSecond)!;
        string line = $"| {a.Method} | {a.Trainable:N0} | {a.Milliseconds:F0} | {a.TokensPerSecond:F0} | {ours.Max(f => f.PeakMib):F0} | {a.PeakShare:P0} | {a.BytesPerStep} | {a.WkvShare:P0} |";
        if (theirs.MaxBy(f => f.TokensPerSecond) is { } b)
            line += $" {b.TokensPerSecond:F0} | {theirs.Min(f => f.PeakMib):F0} | {a.TokensPerSecond / b.TokensPerSecond:F2} | {ours.Max(f => f.PeakMib) / theirs.Min(f => f.PeakMib):F2} |";
        else
            line += " | | | |";
        Console.WriteLine(line);
    }

    private static StepFigures Peer(string python, string model, string method)
    {
        string peers = Path.Combine(AppContext.BaseDirectory, "peers");
        JsonNode found = JsonNode.Parse(Output(python, model == "llama" ? [Path.Combine(peers, "torch_step.py"), method, "--json"] : [Path.Combine(peers, "torch_rwkv.py"), model, method, "--json"]))!;
        return new StepFigures(method, (long)found["trainable"]!, (double)found["milliseconds"]!, (double)found["tokens_per_second"]!, (double)found["peak_mib"]!, null, null);
    }

    private static string Output(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true };
        // Without it PyTorch's two threads spin against each other.
        start.Environment["OMP_WAIT_POLICY"] = "PASSIVE";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }

    private static string? After(string[] options, string name)
    {
        int i = Array.IndexOf(options, name);
        return i >= 0 && i + 1 < options.Length ? options[i + 1] : null;
    }
}
