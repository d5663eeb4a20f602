using Marrow.Formats;
using Marrow.Formats.Datasets;

namespace Marrow.Engine.Models;

/// <summary>
/// The part of a batch that one pass reads: of every sequence, or of some, the positions from <see cref="First"/> on, at most a given number. Sequences
/// that have ended by then are there with no rows. Its arrays are reused: filling it again allocates nothing.
/// </summary>
public sealed class BatchSegment
{
    private int[] _tokens = [], _positions = [], _targets = [], _starts = [0];

    /// <summary>The first position read.</summary>
    public int First { get; private set; }

    /// <summary>The largest position of a row plus one.</summary>
    public int End { get; private set; }

    /// <summary>The number of rows.</summary>
    public int TokenCount { get; private set; }

    /// <summary>The number of sequences, those without rows included.</summary>
    public int Count { get; private set; }

    /// <summary>Rows whose prediction counts.</summary>
    public int CountedTargets { get; private set; }

    /// <summary>The token ids.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, TokenCount);

    /// <summary>Each row's position in its sequence.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, TokenCount);

    /// <summary>What each row has to predict; <see cref="TokenExample.Ignore"/> where that does not count.</summary>
    public ReadOnlySpan<int> Targets => _targets.AsSpan(0, TokenCount);

    /// <summary>The first row of each sequence, and the number of rows.</summary>
    public ReadOnlySpan<int> Starts => _starts.AsSpan(0, Count + 1);

    /// <summary>
    /// Takes positions <paramref name="first"/> … <paramref name="first"/> + <paramref name="length"/> − 1 of every sequence, or of those from number
    /// <paramref name="from"/> to before <paramref name="to"/>; with <paramref name="count"/> above their number sequences without rows follow them.
    /// This is the one place where labels are shifted: row t predicts label t + 1 of the same sequence, whichever segment that lies in.
    /// </summary>
    public void Fill(TokenBatch batch, int first = 0, int length = int.MaxValue, int from = 0, int? to = null, int count = 0)
    {
        ArgumentNullException.ThrowIfNull(batch);
        int taken = (to ?? batch.Count) - from;
        if (_tokens.Length < batch.TokenCount)
        {
            _tokens = new int[batch.Tokens.Length];
            _positions = new int[_tokens.Length];
            _targets = new int[_tokens.Length];
        }
        (First, End, Count, CountedTargets) = (first, 0, Math.Max(taken, count), 0);
        if (_starts.Length < Count + 1)
            _starts = new int[Math.Max(Count + 1, batch.Starts.Length)];
        int row = 0;
        for (int s = 0; s < taken; s++)
        {
            _starts[s] = row;
            int start = batch.Starts[from + s], end = batch.Starts[from + s + 1];
            int begin = (int)Math.Min((long)start + first, end), stop = (int)Math.Min((long)begin + length, end);
            for (int t = begin; t < stop; t++, row++)
            {
                _tokens[row] = batch.Tokens[t];
                _positions[row] = batch.Positions[t];
                _targets[row] = t + 1 < end ? batch.Labels[t + 1] : TokenExample.Ignore;
                CountedTargets += _targets[row] == TokenExample.Ignore ? 0 : 1;
                End = Math.Max(End, _positions[row] + 1);
            }
        }
        _starts.AsSpan(taken, Count - taken + 1).Fill(row);
        TokenCount = row;
    }
}
