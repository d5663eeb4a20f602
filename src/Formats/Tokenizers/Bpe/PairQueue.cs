namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>A four-way heap of (rank, position) pairs, the smallest rank first and of equal ranks the smallest position.</summary>
internal sealed class PairQueue(int capacity)
{
    private const int Arity = 4;

    private long[] _heap = new long[capacity];
    private int _count;

    public void Enqueue(int rank, int position)
    {
        if (_count == _heap.Length)
            Array.Resize(ref _heap, Math.Max(16, _count * 2));
        int at = _count++;
        long pair = ((long)rank << 32) | (uint)position;
        while (at > 0)
        {
            int parent = (at - 1) / Arity;
            if (_heap[parent] <= pair)
                break;
            _heap[at] = _heap[parent];
            at = parent;
        }
        _heap[at] = pair;
    }

    public bool TryDequeue(out int rank, out int position)
    {
        if (_count == 0)
        {
            (rank, position) = (0, 0);
            return false;
        }
        (rank, position) = ((int)(_heap[0] >> 32), (int)_heap[0]);
        long moved = _heap[--_count];
        int at = 0;
        while (true)
        {
            int first = (at * Arity) + 1;
            if (first >= _count)
                break;
            int least = first;
            for (int child = first + 1; child < Math.Min(first + Arity, _count); child++)
                if (_heap[child] < _heap[least])
                    least = child;
            if (_heap[least] >= moved)
                break;
            _heap[at] = _heap[least];
            at = least;
        }
        _heap[at] = moved;
        return true;
    }
}
