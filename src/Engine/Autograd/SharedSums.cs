namespace Marrow.Engine.Autograd;

/// <summary>The last block sum of a tape, so that layers that read the same input compute it once.</summary>
internal sealed class SharedSums
{
    private Tensor? _input, _sum;
    private int _width;
    private bool _recorded;

    /// <summary>The sum of <paramref name="x"/>'s blocks of width <paramref name="r"/>, if it is the last one made, alive and as much recorded as asked.</summary>
    public Tensor? Find(Tensor x, int r, bool isRecorded) =>
        ReferenceEquals(x, _input) && r == _width && isRecorded == _recorded && _sum!.IsAlive ? _sum : null;

    public void Remember(Tensor x, int r, Tensor s, bool isRecorded) => (_input, _width, _sum, _recorded) = (x, r, s, isRecorded);

    public void Forget() => (_input, _sum) = (null, null);
}
