namespace Marrow.Formats.PyTorch;

/// <summary>
/// What reading a pickle may cost, whatever it says: the steps, and the bytes that its values take here, reckoned as they are made and
/// never given back (PT015). A model of 25,000 tensors stays below.
/// </summary>
internal sealed class PickleBudget(PickleFault fault)
{
    public const int MostSteps = 4_000_000;
    public const long MostBytes = 48 << 20;

    public const int Slot = 32, Pair = 64, Number = 24, Text = 40, Tuple = 64, Name = 100, Container = 120, Storage = 260, Call = 500;

    private int _steps;
    private long _bytes;

    public void Step()
    {
        if (++_steps > MostSteps)
            throw fault("PT015", $"the pickle has more than {MostSteps} steps; no model needs as many, save the state dict alone");
    }

    public void Charge(long bytes)
    {
        _bytes += bytes;
        if (_bytes > MostBytes)
            throw fault("PT015", $"the pickle's values take more than {MostBytes} bytes beside the tensors; save the state dict alone, without optimizer states and lists");
    }
}
