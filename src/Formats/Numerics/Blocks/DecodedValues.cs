using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>What decoders hand sixteen codes at a time to.</summary>
internal interface ISixteens
{
    /// <summary>y = q·d for the elements from <paramref name="at"/> on.</summary>
    void Scaled(Vector128<sbyte> q, float d, int at);

    /// <summary>y = q·d − m for the elements from <paramref name="at"/> on.</summary>
    void Affine(Vector128<byte> q, float d, float m, int at);
}

/// <summary>Room for decoded blocks as fp32: any span of floats.</summary>
public readonly ref struct DecodedValues : ISixteens
{
    private DecodedValues(Span<float> values) => Values = values;

    internal Span<float> Values { get; }

    /// <summary>Puts the values there.</summary>
    public static implicit operator DecodedValues(Span<float> values) => new(values);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    void ISixteens.Scaled(Vector128<sbyte> q, float d, int at) => Sixteen.Scaled(q, d, Values[at..]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    void ISixteens.Affine(Vector128<byte> q, float d, float m, int at) => Sixteen.Affine(q, d, m, Values[at..]);
}
