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

    /// <summary>The test before a job takes one case of each op, of no more elements than this.</summary>
    private const long ShortElements = 3_000;

    /// <summary>Throws unless one small case of each op is right on <paramref name="device"/>: what a job does before it trusts a GPU.</summary>
    /// <exception cref="MarrowException">DV020: an op is wrong.</exception>
    public static void Require(Device device, DType activations, CancellationToken stopping)
    {
        foreach (IGrouping<string, OpCase> op in OpCases.All.GroupBy(c => c.Op))
        {
            stopping.ThrowIfCancellationRequested();
            OpCase one = op.Where(c => c.Inputs.Sum(i => i.Count) <= ShortElements).MaxBy(c => c.Inputs.Sum(i => i.Count)) ?? op.First();
            if (OpCheck.Run(device, one, activations) is { Count: > 0 } problems)
                throw new MarrowException("DV020", $"{device.Name} ({device.Description}) does not compute rightly: {problems[0]}. Nothing was trained; use another device or driver, and `marrow doctor --full --device {device.Name}` to see all.");
        }
    }

    /// <summary>Runs the cases op by op; results come as they are found.</summary>
    public static IEnumerable<OpResult> Run(Device device, bool full, CancellationToken stopping)
    {
        foreach (IGrouping<string, OpCase> op in OpCases.All.GroupBy(c => c.Op))
        {
            OpCase[] cases = [.. op.Where(c => full || c.Inputs.Sum(i => i.Count) <= QuickElements)];
            var problems = new List<string>();
            long start = TimeProvider.System.GetTimestamp();
            foreach (OpCase one in cases)
            {
                stopping.ThrowIfCancellationRequested();
                problems.AddRange(OpCheck.Run(device, one));
            }
            yield return new OpResult(op.Key, cases.Length, problems, TimeProvider.System.GetElapsedTime(start).TotalSeconds);
        }
    }
}
