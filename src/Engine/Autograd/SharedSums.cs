namespace Marrow.Engine.Autograd;

/// <summary>The last block sum of a tape, so that layers that read the same input compute it once.</summary>
internal sealed class SharedSums
{
    private Tensor? input, sum;
    private int width;

    /// <summary>The sum of <paramref name="x"/>'s blocks of width <paramref name="r"/>, if it is the last one made and still alive.</summary>
    public Tensor? Find(Tensor x, int r) => ReferenceEquals(x, input) && r == width && sum!.IsAlive ? sum : null;

    public void Remember(Tensor x, int r, Tensor s) => (input, width, sum) = (x, r, s);

    public void Forget() => (input, sum) = (null, null);
}
