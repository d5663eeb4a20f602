using Marrow.Formats.Numerics;

namespace Marrow.Formats.Conversion;

/// <summary>
/// The buffers that tensors pass through on their way into a file, piece by piece: while one piece is read, former ones are converted on several
/// threads and the oldest is written. Their memory is the same whatever a tensor's size. One tensor at a time.
/// </summary>
internal sealed class TensorPieces : IDisposable
{
    private const long MemoryBytes = 64 << 20;
    private const int LargestPiece = 4 << 20, SmallestPiece = 1 << 18;

    /// <summary>Elements converted at a time, within the first-level cache; whole blocks of every type.</summary>
    public const int Chunk = 4096;

    public TensorPieces(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Lanes = new Lane[threads + 2];
        PieceBytes = (int)Math.Clamp(MemoryBytes / (2 * Lanes.Length), SmallestPiece, LargestPiece);
        for (int i = 0; i < Lanes.Length; i++)
            Lanes[i] = new Lane();
        Turns = new SemaphoreSlim(threads);
    }

    /// <summary>The most bytes of a piece, before and after its conversion.</summary>
    public int PieceBytes { get; }

    public Lane[] Lanes { get; }

    /// <summary>One for each thread that may convert.</summary>
    public SemaphoreSlim Turns { get; }

    public void Dispose() => Turns.Dispose();

    /// <summary>The buffers of one piece, and what is under way with it.</summary>
    internal sealed class Lane
    {
        private byte[] _stored = [], _target = [];

        /// <summary>Bytes in the type that the tensor comes in.</summary>
        public byte[] Stored(int length) => Grown(ref _stored, length);

        /// <summary>Bytes in the type that it is written in.</summary>
        public byte[] Target(int length) => Grown(ref _target, length);

        public float[] Values { get; } = new float[Chunk];

        public float[] Again { get; } = new float[Chunk];

        /// <summary>Ends when the piece is converted.</summary>
        public Task Made { get; set; } = Task.CompletedTask;

        /// <summary>Ends when the piece is in the file.</summary>
        public Task Written { get; set; } = Task.CompletedTask;

        private static byte[] Grown(ref byte[] buffer, int length) =>
            buffer.Length >= length ? buffer : buffer = GC.AllocateUninitializedArray<byte>(length);
    }
}
