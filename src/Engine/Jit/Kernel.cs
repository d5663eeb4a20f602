using System.Reflection;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>A kernel method as ops name it: declared once, compiled by each device in the variants that launches ask for.</summary>
public sealed class Kernel
{
    private Kernel(MethodInfo method, Type[] types)
    {
        Method = method;
        Types = types;
        Parameters = method.GetParameters();
        Lanes = method.GetCustomAttribute<KernelAttribute>()?.Lanes
            ?? throw new ArgumentException($"{method.DeclaringType}.{method.Name} is not marked [Kernel]", nameof(method));
        IsConst = [.. Parameters.Select(p => p.IsDefined(typeof(ConstAttribute)))];
        ElementOf = [.. Parameters.Select(p => GenericElement(p.ParameterType))];
        Fixed = [.. Parameters.Select(p => FixedElement(p.ParameterType))];
    }

    /// <summary>The kernel that is method <paramref name="name"/> of <paramref name="owner"/>. <paramref name="types"/> are its last type parameters, those that no view's element type gives.</summary>
    public static Kernel Of(Type owner, string name, params Type[] types)
    {
        ArgumentNullException.ThrowIfNull(owner);
        MethodInfo method = owner.GetMethod(name, BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            ?? throw new ArgumentException($"{owner} has no static method {name}", nameof(name));
        return new Kernel(method, types);
    }

    /// <summary>"RmsNormNode.ForwardRows".</summary>
    public string Name => $"{Method.DeclaringType!.Name}.{Method.Name}";

    /// <summary>The method, open where it is generic.</summary>
    public MethodInfo Method { get; }

    /// <summary>The lanes that it is usually launched with.</summary>
    public int Lanes { get; }

    internal Type[] Types { get; }

    internal ParameterInfo[] Parameters { get; }

    internal bool[] IsConst { get; }

    /// <summary>For each parameter the position of the type parameter that is its view's element, or −1.</summary>
    internal int[] ElementOf { get; }

    /// <summary>For each parameter the type that its tensor must have, where the view's element is float or int; else null.</summary>
    internal DType?[] Fixed { get; }

    private static DType? FixedElement(Type type) => type == typeof(View<float>) ? DType.F32 : type == typeof(View<int>) ? DType.I32 : null;

    private static int GenericElement(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(View<>) && type.GetGenericArguments()[0] is { IsGenericParameter: true } element
            ? element.GenericParameterPosition : -1;
}
