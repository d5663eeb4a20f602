using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>
/// Room for the codes of blocks, not multiplied out: y = code·scale − minimum (or level·scale), the product and the difference each rounded. There is a place for every sixteen elements
/// of each of <see cref="Rows"/> rows, those of the rows side by side; the spans start with that of the row's first.
/// </summary>
/// <param name="codes">Sixteen signed bytes a place.</param>
/// <param name="scales">Scales.</param>
/// <param name="minima">Minima, not written where a type has none.</param>
public readonly ref struct UnpackedCodes(Span<Vector128<byte>> codes, Span<float> scales, Span<float> minima) : ISixteens
{
    /// <summary>Rows that lie side by side.</summary>
    public const int Rows = 32;

    private readonly Span<Vector128<byte>> _codes = codes;
    private readonly Span<float> _scales = scales, _minima = minima;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    void ISixteens.Scaled(Vector128<sbyte> q, float d, int at)
    {
        int place = at * (Rows / 16);
        _codes[place] = q.AsByte();
        _scales[place] = d;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    void ISixteens.Affine(Vector128<byte> q, float d, float m, int at)
    {
        int place = at * (Rows / 16);
        _codes[place] = q;
        _scales[place] = d;
        _minima[place] = m;
    }
}
