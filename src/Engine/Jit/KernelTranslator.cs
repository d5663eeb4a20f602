using System.Reflection;
using System.Text;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>
/// Turns a kernel method's IL, and that of every method it calls, into C text for a device's language. There is no optimiser:
/// the driver's own compiler is one, and is owed clean C with loops and constants in place.
/// </summary>
public static class KernelTranslator
{
    /// <summary>The text of <paramref name="kernel"/>. <paramref name="elements"/> holds the element type of each view argument, <paramref name="constants"/> the bits of each [Const] argument, by position.</summary>
    /// <exception cref="MarrowException">JT001 … JT004: the method uses something that cannot be translated; names method, line and construct.</exception>
    public static KernelText Translate(Kernel kernel, IReadOnlyList<DType> elements, IReadOnlyList<ulong> constants, int lanes, Dialect dialect)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        ArgumentNullException.ThrowIfNull(dialect);
        (string body, string entry, List<KernelParameter> parameters) = Print(kernel, elements, constants, lanes, dialect);
        return new KernelText(entry, Prelude.Of(dialect, lanes) + body, lanes, parameters);
    }

    /// <summary>The kernel and its functions without the prelude.</summary>
    internal static (string Body, string Entry, List<KernelParameter> Parameters) Print(Kernel kernel, IReadOnlyList<DType> elements, IReadOnlyList<ulong> constants, int lanes, Dialect dialect)
    {
        var unit = new TranslationUnit(kernel.Name, dialect, lanes);
        MethodInfo method = Close(kernel, elements);
        var reader = new FunctionReader(method, [.. kernel.IsConst.Select((c, i) => c ? (long)constants[i] : (long?)null)], true, unit);
        List<Stmt> body = unit.ReadKernel(reader, method);
        var printer = new CPrinter(dialect.Language);
        var text = new StringBuilder();
        KernelHead.Print(printer, unit.Entry, reader, lanes, dialect.Language);
        TranslationUnit.Finish(printer, reader, body);
        if (unit.Blocks.Count > 0)
            text.Append(Prelude.OfBlocks(unit.Blocks));
        foreach (string function in unit.Texts)
            text.Append(function).Append('\n');
        text.Append(printer);
        return (text.ToString(), unit.Entry, [.. reader.Parameters.Select(p => new KernelParameter(p.Position, p.Variable.Type.IsPointer, p.Variable.Type.Bytes))]);
    }

    private static MethodInfo Close(Kernel kernel, IReadOnlyList<DType> elements)
    {
        if (!kernel.Method.IsGenericMethodDefinition)
            return kernel.Method;
        Type[] types = kernel.Method.GetGenericArguments();
        var given = new Queue<Type>(kernel.Types);
        var closed = new Type?[types.Length];
        for (int i = 0; i < kernel.ElementOf.Length; i++)
        {
            if (kernel.ElementOf[i] < 0)
                continue;
            Type element = CType.ElementOf(elements[i])
                ?? throw new MarrowException("JT003", $"kernel {kernel.Name}: parameter {kernel.Parameters[i].Name} is given a tensor of type {elements[i]}, which kernels cannot read. [JT003]");
            ref Type? place = ref closed[kernel.ElementOf[i]];
            if (place is not null && place != element)
                throw new MarrowException("JT003", $"kernel {kernel.Name}: parameter {kernel.Parameters[i].Name} is given a tensor of type {elements[i]}, others of the same type parameter are {place.Name}. [JT003]");
            place = element;
        }
        for (int i = 0; i < closed.Length; i++)
        {
            closed[i] ??= given.TryDequeue(out Type? type) ? type
                : throw new MarrowException("JT003", $"kernel {kernel.Name}: nothing gives type parameter {types[i].Name}; name it in Kernel.Of. [JT003]");
        }
        return kernel.Method.MakeGenericMethod(closed!);
    }
}
