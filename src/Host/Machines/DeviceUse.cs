using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;

namespace Marrow.Host.Machines;

/// <summary>What a device did for a command or a run.</summary>
/// <param name="Name">"cpu", "opencl:0".</param>
/// <param name="Description">What a person calls it.</param>
/// <param name="Activations">The type of activations: "fp32" or "bf16".</param>
/// <param name="PeakBytes">Most memory that tensors held.</param>
/// <param name="KernelsCompiled">Kernels that its driver compiled in this process; 0 on the CPU.</param>
/// <param name="KernelsLoaded">Kernels that came from the cache; 0 on the CPU.</param>
public sealed record DeviceUse(string Name, string Description, string Activations, long PeakBytes, int KernelsCompiled, int KernelsLoaded)
{
    /// <summary>What <paramref name="device"/> did until now.</summary>
    public static DeviceUse Of(Device device, DType activations)
    {
        var kernels = device as KernelDevice;
        return new DeviceUse(device.Name, device.Description, Text(activations), device.PeakBytes, kernels?.Compiled ?? 0, kernels?.Loaded ?? 0);
    }

    /// <summary>"fp32" or "bf16", as options name them.</summary>
    public static string Text(DType type) => type == DType.BF16 ? "bf16" : "fp32";

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Description}), {Activations} activations";
}
