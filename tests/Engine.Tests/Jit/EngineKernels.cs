using System.Reflection;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Tests.Jit;

/// <summary>Every kernel of the engine, found by its declarations.</summary>
internal static class EngineKernels
{
    /// <summary>The declared kernels by a name that tells those of one method apart.</summary>
    public static SortedDictionary<string, Kernel> All { get; } = Find();

    /// <summary>The methods marked as kernels.</summary>
    public static IEnumerable<MethodInfo> Methods => typeof(Kernel).Assembly.GetTypes().SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
        .Where(m => m.IsDefined(typeof(KernelAttribute)));

    /// <summary>The text of a kernel as a launch with typical constants makes it; views of open element type are of <paramref name="element"/>.</summary>
    public static KernelText Translate(Kernel kernel, DType element, Dialect dialect) =>
        KernelTranslator.Translate(kernel, [.. kernel.Parameters.Select(_ => element)], Constants(kernel), kernel.Lanes, dialect);

    /// <summary>As <see cref="Translate"/>, without the prelude.</summary>
    public static string Body(Kernel kernel, DType element, Dialect dialect) =>
        KernelTranslator.Print(kernel, [.. kernel.Parameters.Select(_ => element)], Constants(kernel), kernel.Lanes, dialect).Body;

    /// <summary>As <see cref="Body(Kernel, DType, Dialect)"/>, with one parameter's view of another type.</summary>
    public static string Body(Kernel kernel, DType element, string parameter, DType block, Dialect dialect) =>
        KernelTranslator.Print(kernel, [.. kernel.Parameters.Select(p => p.Name == parameter ? block : element)], Constants(kernel), kernel.Lanes, dialect).Body;

    /// <summary>The kernels that read weights, with the parameter that may be block-quantised.</summary>
    public static readonly (string Kernel, string Parameter)[] OfBlocks =
    [
        ("MatMul.PanelKernel", "b"), ("MatMul.PanelKernel", "a"), ("MatMul.TiledKernel", "b"), ("MatMul.TiledKernel", "a"), ("MatMul.TensorKernel", "b"), ("MatMul.TensorKernel", "a"),
        ("MatMul.VectorKernel", "w"), ("EmbeddingNode.GatherKernel", "from"), ("BoneLinearNode.WeightKernel", "w"), ("BatLinearNode.WeightKernel", "ws"), ("Casting.CastKernel", "from"),
    ];

    private static ulong[] Constants(Kernel kernel) => [.. kernel.Parameters.Select(p => (ulong)(p.GetCustomAttribute<ConstAttribute>()?.Typical ?? 0))];

    private static SortedDictionary<string, Kernel> Find()
    {
        var all = new SortedDictionary<string, Kernel>(StringComparer.Ordinal);
        foreach (FieldInfo field in typeof(Kernel).Assembly.GetTypes().Where(t => !t.ContainsGenericParameters).SelectMany(t => t.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)))
        {
            IEnumerable<Kernel> kernels = field.FieldType == typeof(Kernel) ? [(Kernel)field.GetValue(null)!]
                : typeof(IEnumerable<Kernel>).IsAssignableFrom(field.FieldType) ? (IEnumerable<Kernel>)field.GetValue(null)! : [];
            foreach (Kernel kernel in kernels)
                all[$"{kernel.Name}{string.Concat(kernel.Types.Select(t => $"_{t.Name}"))}"] = kernel;
        }
        return all;
    }
}
