namespace Marrow.Engine.Jit;

/// <summary>A translated kernel, ready for a driver's compiler.</summary>
/// <param name="Entry">The function's name.</param>
/// <param name="Source">The whole program text: prelude, functions, kernel.</param>
/// <param name="Lanes">The lanes of a group that it was translated for.</param>
/// <param name="Parameters">The parameters that remain, constants left out, in the order of the function's.</param>
public sealed record KernelText(string Entry, string Source, int Lanes, IReadOnlyList<KernelParameter> Parameters);

/// <summary>A parameter of a translated kernel.</summary>
/// <param name="Position">Its position among the method's parameters.</param>
/// <param name="IsView">A pointer; OpenCL takes it as a buffer and, in the next place, the first element (64 bits).</param>
/// <param name="Bytes">The size of a number in bytes; of a view's element where it is one.</param>
public readonly record struct KernelParameter(int Position, bool IsView, int Bytes);
