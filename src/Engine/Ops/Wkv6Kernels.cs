using Marrow.Engine.Devices;
using Marrow.Formats;

namespace Marrow.Engine;

internal sealed partial class Wkv6Node
{
    private static Tensor? ForwardOn(KernelDevice gpu, in Wkv6Inputs inputs, Tensor? initial, Tensor y, Tensor? final) =>
        throw new MarrowException("E110", $"{gpu.Name} cannot compute wkv6 yet; use the CPU. [E110]");

    private void BackwardOn(KernelDevice gpu, Tensor dy) =>
        throw new MarrowException("E110", $"{gpu.Name} cannot compute wkv6's backward for {dy} and {_inputs.R} yet; use the CPU. [E110]");
}
