using Marrow.Engine.Devices;
using Marrow.Formats;

namespace Marrow.Engine;

internal sealed partial class Wkv7Node
{
    private static void ForwardOn(KernelDevice gpu, in Wkv7Inputs inputs, Tensor? initial, Tensor y, Tensor? final, Tensor? states, Tensor? sa) =>
        throw new MarrowException("E110", $"{gpu.Name} cannot compute wkv7 yet; use the CPU. [E110]");

    private static void BackwardOn(KernelDevice gpu, in Wkv7Inputs inputs, Tensor dy) =>
        throw new MarrowException("E110", $"{gpu.Name} cannot compute wkv7 yet; use the CPU. [E110]");
}
