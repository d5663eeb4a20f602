using Marrow.Engine.Devices;
using Marrow.Engine.SelfTest;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Host.Machines;

/// <summary>What the self-test found of one op.</summary>
/// <param name="Op">Its name.</param>
/// <param name="Cases">How many cases were run.</param>
/// <param name="Problems">What was wrong, one sentence each.</param>
/// <param name="Seconds">How long it took.</param>
internal sealed record OpResult(string Op, int Cases, IReadOnlyList<string> Problems, double Seconds);

/// <summary>Compares every op's values and gradients on a device with double-precision references.</summary>
internal static class SelfTest
{
    /// <summary>The quick test leaves out cases with more elements than this: their references are slow.</summary>
    private const long QuickElements = 6_000;

    /// <summary>The test before a job takes of each op the largest case with no more elements than this.</summary>
    private const long ShortElements = 2_600;

    /// <summary>The quick test runs the first cases of an op only where a processor poses as a GPU: compilers for those take seconds for a kernel.</summary>
    private const int FewCases = 4;

    /// <summary>Quantised types that the quick test looks at: kernels are compiled for each, and others decode as one of these does.</summary>
    private static readonly DType[] QuickTypes = [DType.Q8_0, DType.Q4_K, DType.NF4];

    private static readonly string[] LlamaOps = ["embedding", "rms_norm", "add_rms_norm", "linear", "rope", "attention", "swiglu", "add", "linear_cross_entropy"];

    private static readonly string[] GemmaOps = ["embedding", "rms_norm", "add_rms_norm", "linear", "rope", "attention", "geglu", "add", "linear_cross_entropy"];

    private static readonly string[] RwkvOps = ["embedding", "layer_norm", "token_mix", "product", "linear", "tanh", "sigmoid", "squared_relu", "multiply", "add", "linear_cross_entropy"];

    private static readonly string[] Rwkv7Ops = [.. RwkvOps, "log_decay7", "removal_key", "replacement_key", "value_mix", "head_bonus", "wkv7"];

    private static readonly string[] Rwkv6Ops = [.. RwkvOps, "log_decay6", "swiglu", "wkv6"];

    /// <summary>
    /// Runs the cases op by op, on devices that run kernels with bf16 activations too; results come as they are found. An op that cannot be run is a
    /// problem of its own.
    /// </summary>
    /// <exception cref="MarrowException">DV010: the device went away.</exception>
    public static IEnumerable<OpResult> Run(Device device, bool full, CancellationToken stopping)
    {
        DType[] activations = device is KernelDevice ? [DType.F32, DType.BF16] : [DType.F32];
        foreach (IGrouping<string, OpCase> op in OpCases.All.GroupBy(c => c.Op))
        {
            OpCase[] cases = [.. op.Where(c => full || (Elements(c) <= QuickElements && (c.Quantised is not { } quantised || QuickTypes.Contains(quantised.Type))))];
            if (!full && device is KernelDevice { Capabilities.IsCpu: true })
                cases = [.. cases.Take(FewCases)];
            yield return Run(device, op.Key, cases, activations, errors: true, stopping);
        }
    }

    /// <summary>One case of each op that training a model of type <paramref name="family"/> with an adapter of <paramref name="method"/> uses, with activations of a type, and one for each quantised type of its weights; results come as they are found.</summary>
    /// <exception cref="MarrowException">An op cannot be run.</exception>
    public static IEnumerable<OpResult> RunShort(Device device, string family, string method, DType activations, IReadOnlyList<DType> quantised, CancellationToken stopping)
    {
        string[] ops = [.. FamilyOps(family), .. AdapterOps(method)];
        foreach (IGrouping<string, OpCase> op in OpCases.All.Where(c => ops.Contains(c.Op)).GroupBy(c => c.Op))
        {
            OpCase plain = op.Where(c => c.Quantised is null && Elements(c) <= ShortElements).MaxBy(Elements)!;
            IEnumerable<OpCase> others = quantised.Select(type => op.Where(c => c.Quantised?.Type == type).OrderBy(Elements).Take(2).LastOrDefault()).OfType<OpCase>();
            yield return Run(device, op.Key, [plain, .. others], [activations], errors: false, stopping);
        }
    }

    private static OpResult Run(Device device, string op, OpCase[] cases, DType[] activations, bool errors, CancellationToken stopping)
    {
        var problems = new List<string>();
        long start = TimeProvider.System.GetTimestamp();
        foreach (DType type in activations)
            foreach (OpCase one in cases)
            {
                stopping.ThrowIfCancellationRequested();
                problems.AddRange(Problems(device, one, type, errors).Select(p => type == DType.BF16 ? $"bf16 activations: {p}" : p));
            }
        return new OpResult(op, cases.Length * activations.Length, problems, TimeProvider.System.GetElapsedTime(start).TotalSeconds);
    }

    private static IReadOnlyList<string> Problems(Device device, OpCase one, DType activations, bool errors)
    {
        try
        {
            return OpCheck.Run(device, one, activations);
        }
        catch (MarrowException e) when (errors && e.Code != "DV010")
        {
            return [$"{one}: {e.Message}"];
        }
    }

    private static long Elements(OpCase one) => one.Inputs.Sum(i => i.Count);

    private static string[] FamilyOps(string family) => family switch
    {
        "rwkv7" => Rwkv7Ops,
        "rwkv6" => Rwkv6Ops,
        _ when family.StartsWith("gemma", StringComparison.Ordinal) => GemmaOps,
        _ => LlamaOps,
    };

    private static string[] AdapterOps(string method) => method switch
    {
        "lora" => ["dropout", "add_matmul"],
        "dora" => ["dropout", "add_matmul", "inverse_row_norms", "scale_columns"],
        "mini" => ["dropout", "block_sum", "add_matmul", "tile_add"],
        "bat" => ["dropout", "bat_linear"],
        "bat_row" => ["add", "block_product", "block_sum", "tile_add"],
        "full" or "state" => [],
        _ => ["dropout", "block_sum", "add_matmul", "bone_linear"],
    };
}
