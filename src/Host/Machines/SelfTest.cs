using Marrow.Engine.Devices;
using Marrow.Engine.SelfTest;

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
