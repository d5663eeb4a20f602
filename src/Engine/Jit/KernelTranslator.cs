using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>Turns a kernel method's IL into C text for a device's language.</summary>
public static class KernelTranslator
{
    /// <summary>The text of <paramref name="kernel"/>. <paramref name="elements"/> holds the element type of each view argument, <paramref name="constants"/> the bits of each [Const] argument.</summary>
    /// <exception cref="MarrowException">JT…: the method uses something that cannot be translated; names method and construct.</exception>
    public static KernelText Translate(Kernel kernel, IReadOnlyList<DType> elements, IReadOnlyList<ulong> constants, int lanes, Dialect dialect) => throw new NotSupportedException($"{kernel} {elements} {constants} {lanes} {dialect}");
}
