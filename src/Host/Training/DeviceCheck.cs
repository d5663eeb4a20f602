using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Host.Machines;

namespace Marrow.Host.Training;

/// <summary>The look at a GPU before it is trusted with a job. Drivers' compilers have faults, and a wrong kernel would spoil a run silently.</summary>
internal static class DeviceCheck
{
    /// <summary>Runs the short self-test of the ops that a job uses, also with weights of the quantised types in its model.</summary>
    /// <exception cref="MarrowException">DV020: an op's values or gradients are wrong on the device.</exception>
    public static void Require(KernelDevice device, string family, string method, DType activations, IReadOnlyList<DType> quantised, CancellationToken stopping)
    {
        foreach (OpResult op in SelfTest.RunShort(device, family, method, activations, quantised, stopping))
        {
            if (op.Problems.Count > 0)
                throw new MarrowException("DV020", $"{device.Name} ({device.Description}) computes op {op.Op} wrongly: {op.Problems[0]}. Nothing was trained or written. "
                    + $"`marrow doctor --device {device.Name}` shows all of it; update the driver, or use another --device");
        }
        device.Trim();
    }
}
