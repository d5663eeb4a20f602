namespace Marrow.Engine.Autograd;

/// <summary>The last block sum of a tape, so that layers that read the same input compute it once.</summary>
internal sealed class SharedSums
{
    private Tensor? input, sum;
    private int width;
    private bool recorded;

    /// <summary>The sum of <paramref name="x"/>'s blocks of width <paramref name="r"/>, if it is the last one made, alive and as much recorded as asked.</summary>
    public Tensor? Find(Tensor x, int r, bool isRecorded) =>
        ReferenceEquals(x, input) && r == width && isRecorded == recorded && sum!.IsAlive ? sum : null;

    public void Remember(Tensor x, int r, Tensor s, bool isRecorded) => (input, width, sum, recorded) = (x, r, s, isRecorded);

    public void Forget() => (input, sum) = (null, null);
}
