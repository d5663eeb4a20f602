using System.Reflection;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>
/// The block-quantised types that kernels read, and the element types of their views. A new one adds its line here and the text that decodes it
/// to Preludes/Blocks.
/// </summary>
internal static class BlockElements
{
    private static readonly Dictionary<Type, DType> Types = typeof(BlockElements).GetNestedTypes(BindingFlags.NonPublic | BindingFlags.Public)
        .Where(t => Enum.IsDefined(typeof(DType), t.Name)).ToDictionary(t => t, t => Enum.Parse<DType>(t.Name));

    private static readonly Dictionary<DType, Type> Elements = Types.ToDictionary(t => t.Value, t => t.Key);

    /// <summary>Every type.</summary>
    public static IEnumerable<DType> All => Elements.Keys.Order();

    /// <summary>The element type of views of <paramref name="type"/>; null where kernels cannot read it.</summary>
    public static Type? ElementOf(DType type) => Elements.GetValueOrDefault(type);

    /// <summary>The type whose views have <paramref name="element"/> as their element; null for other elements.</summary>
    public static DType? TypeOf(Type element) => Types.TryGetValue(element, out DType type) ? type : null;

    public readonly struct Q4_0;

    public readonly struct Q4_1;

    public readonly struct Q5_0;

    public readonly struct Q5_1;

    public readonly struct Q8_0;

    public readonly struct Q8_1;

    public readonly struct Q2_K;

    public readonly struct Q3_K;

    public readonly struct Q4_K;

    public readonly struct Q5_K;

    public readonly struct Q6_K;

    public readonly struct Q8_K;

    public readonly struct IQ4_NL;

    public readonly struct IQ4_XS;

    public readonly struct TQ1_0;

    public readonly struct TQ2_0;

    public readonly struct MXFP4;

    public readonly struct NVFP4;

    public readonly struct NF4;
}
