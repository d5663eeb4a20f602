using Marrow.Engine.Jit;
using Marrow.Formats;

namespace Marrow.Engine.Devices;

/// <summary>The errors that every kind of kernel device can give, worded once.</summary>
internal static class DeviceFaults
{
    private const int LogLines = 12;
    private const int LogWidth = 300;

    /// <summary>DV010: the device failed or went away while <paramref name="doing"/> ("waiting for the queue"); <paramref name="error"/> is the driver's name for it.</summary>
    public static MarrowException Lost(string device, string doing, string error) => new("DV010",
        $"{device}: the device failed or went away while {doing} ({error}). The last checkpoint is safe: look at the driver's messages (dmesg), "
        + "then go on from it with `marrow train JOB.yaml --resume`, on another --device if need be. [DV010]");

    /// <summary>DV011: the driver's compiler refused a kernel's text.</summary>
    public static MarrowException NotBuilt(string device, string kernel, string options, string error, string log)
    {
        IEnumerable<string> lines = log.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0).Take(LogLines).Select(l => "  " + Echo.Name(l, LogWidth));
        string said = string.Join('\n', lines);
        return new MarrowException("DV011", $"{device}: the driver does not build kernel {kernel} with the options '{options}' ({error}). "
            + (said.Length == 0 ? "It gives no reason." : $"Its compiler says:\n{said}\n")
            + "`--dump-kernels DIR` shows the text; update the driver, or use another --device. [DV011]");
    }

    /// <summary>DV012: the device was found and cannot be opened.</summary>
    public static MarrowException NotOpened(string device, string doing, string error) => new("DV012",
        $"{device}: cannot be opened: {doing} failed ({error}). Is another program holding it? Otherwise update the driver, or use another --device. [DV012]");

    /// <summary>DV013: the device cannot run a kernel as it is.</summary>
    public static MarrowException Refused(string device, string doing, string error) => new("DV013",
        $"{device}: the driver refused {doing} ({error}). `--dump-kernels DIR` shows the kernels' texts; use another --device, and please report this. [DV013]");

    /// <summary>DV013: a kernel needs more lanes than the device gives it.</summary>
    public static MarrowException TooManyLanes(string device, KernelText text, long most) => Refused(device, $"kernel {text.Entry} in groups of {text.Lanes} lanes", $"it allows {most}");
}
