using System.Collections.Concurrent;

namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>Ids of pieces seen before. Holds a bounded number of short pieces; when full it only answers.</summary>
internal sealed class PieceCache
{
    private const int Capacity = 1 << 16;
    private const int LongestPiece = 48;

    private readonly ConcurrentDictionary<string, int[]> _pieces = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _bySpan;
    private int _count;

    public PieceCache() => _bySpan = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();

    public bool TryGet(ReadOnlySpan<char> piece, out int[] ids) => _bySpan.TryGetValue(piece, out ids!);

    public void Add(ReadOnlySpan<char> piece, ReadOnlySpan<int> ids)
    {
        if (piece.Length > LongestPiece || Volatile.Read(ref _count) >= Capacity)
            return;
        if (_bySpan.TryAdd(piece, ids.ToArray()))
            Interlocked.Increment(ref _count);
    }
}
