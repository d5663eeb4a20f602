using System.Runtime.InteropServices;

namespace Marrow.Engine.Cpu;

/// <summary>
/// Native work memory that threads borrow for the length of one computation. Blocks are kept and grow to the largest size asked of
/// them, so that a steady state allocates nothing.
/// </summary>
public sealed unsafe class ScratchSet : IDisposable
{
    private const nuint Alignment = 4096;

    private readonly Block[] _blocks;

    internal ScratchSet(int blocks) => _blocks = new Block[blocks];

    /// <summary>Lends <paramref name="bytes"/> bytes, aligned to 4096, contents undefined; give them back by disposing the lease.</summary>
    public Lease Rent(nuint bytes)
    {
        // A thread tends to find the block it had before, still warm in its cache.
        int start = Environment.CurrentManagedThreadId % _blocks.Length;
        for (int i = 0; i < _blocks.Length; i++)
        {
            int slot = (start + i) % _blocks.Length;
            ref Block block = ref _blocks[slot];
            if (Interlocked.CompareExchange(ref block.Lent, 1, 0) != 0)
                continue;
            if (block.Bytes < bytes)
            {
                NativeMemory.AlignedFree(block.Data);
                block.Bytes = 0;
                block.Data = null;
                block.Data = NativeMemory.AlignedAlloc(bytes, Alignment);
                block.Bytes = bytes;
            }
            return new Lease(this, slot, block.Data);
        }
        return new Lease(this, -1, NativeMemory.AlignedAlloc(bytes, Alignment));
    }

    /// <summary>Frees all blocks; no lease may be open.</summary>
    public void Dispose()
    {
        foreach (ref Block block in _blocks.AsSpan())
        {
            NativeMemory.AlignedFree(block.Data);
            block = default;
        }
    }

    private void Return(int slot, void* data)
    {
        if (slot < 0)
            NativeMemory.AlignedFree(data);
        else
            Volatile.Write(ref _blocks[slot].Lent, 0);
    }

    private struct Block
    {
        public void* Data;
        public nuint Bytes;
        public int Lent;
    }

    /// <summary>Borrowed memory.</summary>
    public readonly ref struct Lease
    {
        private readonly ScratchSet _owner;
        private readonly int _slot;

        internal Lease(ScratchSet owner, int slot, void* data)
        {
            _owner = owner;
            _slot = slot;
            Data = data;
        }

        /// <summary>The first byte.</summary>
        public void* Data { get; }

        /// <summary>Gives the memory back.</summary>
        public void Dispose() => _owner.Return(_slot, Data);
    }
}
