using System.Runtime.CompilerServices;

namespace Marrow.Formats.Numerics;

/// <summary>
/// The SplitMix64 generator (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), here because an order,
/// a mask or an initialisation must never change with a library's version.
/// </summary>
/// <param name="seed">Where the sequence starts.</param>
public struct SplitMix64(ulong seed)
{
    private const ulong Step = 0x9E3779B97F4A7C15;

    private ulong _state = seed;

    /// <summary>The first number of the sequence that starts at <paramref name="state"/>: a hash of a counter, for draws that need no state to resume.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mix(ulong state)
    {
        ulong z = state + Step;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>The next 64 bits.</summary>
    public ulong Next()
    {
        ulong next = Mix(_state);
        _state += Step;
        return next;
    }

    /// <summary>A number below <paramref name="bound"/>, every one equally likely (Lemire's multiply and reject).</summary>
    public int Next(int bound)
    {
        ulong range = (ulong)bound;
        ulong high = Math.BigMul(Next(), range, out ulong low);
        if (low < range)
        {
            ulong unfair = (0 - range) % range;
            while (low < unfair)
                high = Math.BigMul(Next(), range, out low);
        }
        return (int)high;
    }
}
