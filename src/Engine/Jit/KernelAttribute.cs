namespace Marrow.Engine.Jit;

/// <summary>
/// Marks a static method as a kernel. Parameters are <see cref="View{T}"/>s and numbers; type parameters of views follow the tensors'
/// types at launch. A test translates every marked method.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KernelAttribute : Attribute
{
    /// <summary>The lanes that the kernel is usually launched with.</summary>
    public int Lanes { get; init; } = 128;
}

/// <summary>
/// A parameter whose value is compiled in: each value makes a variant of the kernel, so it should take few. On a method that a kernel calls it
/// makes a function for each value, which must be a constant where it is called.
/// </summary>
/// <param name="typical">A value that occurs, by which the kernel is translated where no launch gives one.</param>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class ConstAttribute(int typical) : Attribute
{
    /// <summary>A value that occurs.</summary>
    public int Typical { get; } = typical;
}
