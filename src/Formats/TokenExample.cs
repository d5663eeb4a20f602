namespace Marrow.Formats;

/// <summary>One training example: ids and, at the same positions, the label (−100 where not trained, not shifted).</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="Labels">Same length; the model is trained to predict Labels[t] from the tokens before t.</param>
public sealed record TokenExample(int[] Ids, int[] Labels)
{
    /// <summary>The label that is not trained.</summary>
    public const int Ignore = -100;

    /// <summary>The targets that count: labels from position 1 on that are not ignored.</summary>
    public int Targets
    {
        get
        {
            int n = 0;
            for (int t = 1; t < Labels.Length; t++)
                if (Labels[t] != Ignore)
                    n++;
            return n;
        }
    }
}
