using System.Numerics;
using System.Reflection;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>Methods that are printed as text of their own instead of being translated. {0} … are the arguments, this first.</summary>
internal static class Intrinsics
{
    private static readonly Dictionary<string, (string OpenCl, string Cuda)> Texts = new()
    {
        ["Gpu.get_Group"] = ("(int)get_group_id(0)", "(int)blockIdx.x"),
        ["Gpu.get_GroupY"] = ("(int)get_group_id(1)", "(int)blockIdx.y"),
        ["Gpu.get_GroupZ"] = ("(int)get_group_id(2)", "(int)blockIdx.z"),
        ["Gpu.get_Groups"] = ("(int)get_num_groups(0)", "(int)gridDim.x"),
        ["Gpu.get_Lane"] = ("(int)get_local_id(0)", "(int)threadIdx.x"),
        ["Gpu.get_Item"] = ("(int)get_global_id(0)", "(int)(blockIdx.x * blockDim.x + threadIdx.x)"),
        ["MathF.Exp"] = ("exp({0})", "expf({0})"),
        ["MathF.Log"] = ("log({0})", "logf({0})"),
        ["MathF.Log2"] = ("log2({0})", "log2f({0})"),
        ["MathF.Pow"] = ("pow({0}, {1})", "powf({0}, {1})"),
        ["MathF.Sqrt"] = ("sqrt({0})", "sqrtf({0})"),
        ["MathF.Sin"] = ("sin({0})", "sinf({0})"),
        ["MathF.Cos"] = ("cos({0})", "cosf({0})"),
        ["MathF.Tanh"] = ("tanh({0})", "tanhf({0})"),
        ["MathF.Floor"] = ("floor({0})", "floorf({0})"),
        ["MathF.Ceiling"] = ("ceil({0})", "ceilf({0})"),
        ["MathF.Round"] = ("rint({0})", "rintf({0})"),
        ["MathF.Truncate"] = ("trunc({0})", "truncf({0})"),
        ["MathF.Abs"] = ("fabs({0})", "fabsf({0})"),
        ["MathF.Max"] = ("fmax({0}, {1})", "fmaxf({0}, {1})"),
        ["MathF.Min"] = ("fmin({0}, {1})", "fminf({0}, {1})"),
        ["MathF.FusedMultiplyAdd"] = ("fma({0}, {1}, {2})", "fmaf({0}, {1}, {2})"),
        ["Vector4.FusedMultiplyAdd"] = ("fma({0}, {1}, {2})", "({0} * {1} + {2})"),
        ["Vector4.Dot"] = ("dot({0}, {1})", "dot4({0}, {1})"),
        ["BitConverter.SingleToUInt32Bits"] = ("as_uint({0})", "as_uint({0})"),
        ["BitConverter.SingleToInt32Bits"] = ("as_int({0})", "as_int({0})"),
        ["BitConverter.UInt32BitsToSingle"] = ("as_float({0})", "as_float({0})"),
        ["BitConverter.Int32BitsToSingle"] = ("as_float({0})", "as_float({0})"),
        ["Single.IsNaN"] = ("isnan({0})", "is_nan({0})"),
        ["BitOperations.PopCount"] = ("(int)popcount({0})", "__popc({0})"),
        ["BitOperations.PopCount64"] = ("(int)popcount({0})", "__popcll({0})"),
        ["BitOperations.LeadingZeroCount"] = ("(int)clz({0})", "__clz((int)({0}))"),
        ["BitOperations.LeadingZeroCount64"] = ("(int)clz({0})", "__clzll((long64)({0}))"),
    };

    private static readonly HashSet<Type> Owners = [typeof(Gpu), typeof(MathF), typeof(Math), typeof(Vector4), typeof(BitConverter), typeof(float), typeof(BitOperations)];

    /// <summary>The texts, for the names that they call.</summary>
    public static IEnumerable<string> All => Texts.Values.SelectMany(t => (string[])[t.OpenCl, t.Cuda]);

    /// <summary>The text of a method that reads only its arguments; null where there is none.</summary>
    public static string? Pure(MethodBase method, DialectLanguage language)
    {
        string name = $"{method.DeclaringType!.Name}.{method.Name}";
        ParameterInfo[] parameters = method.GetParameters();
        bool isFloat = parameters.Length > 0 && parameters[0].ParameterType == typeof(float);
        if (method.DeclaringType == typeof(Math))
        {
            if (isFloat)
                name = $"MathF.{method.Name}";
            else if (parameters.Length > 0 && CType.Of(parameters[0].ParameterType) is not { IsInteger: true })
                return null;
            else if (method.Name is "Max" or "Min")
                return $"{method.Name.ToLowerInvariant()}({{0}}, {{1}})";
            else if (method.Name == "Abs")
                // OpenCL's is unsigned.
                return parameters[0].ParameterType == typeof(long) ? "(long64)abs({0})" : "(int)abs({0})";
            else if (method.Name == "Clamp")
                return "min(max({0}, {1}), {2})";
        }
        if (method.DeclaringType == typeof(BFloat16) || method.DeclaringType == typeof(Half))
            return method.Name is "op_Explicit" or "op_Implicit" ? Conversion(parameters[0].ParameterType, ((MethodInfo)method).ReturnType) : null;
        if (method.DeclaringType == typeof(Vector4) && method.Name.StartsWith("op_", StringComparison.Ordinal))
        {
            return method.Name switch
            {
                "op_Addition" => "({0} + {1})",
                "op_Subtraction" => "({0} - {1})",
                "op_Multiply" => "({0} * {1})",
                "op_Division" => "({0} / {1})",
                "op_UnaryNegation" => "({0} * -1.0f)",
                _ => null,
            };
        }
        if (method.DeclaringType == typeof(BitOperations) && parameters is [{ ParameterType: var counted }] && counted == typeof(ulong))
            name += "64";
        if (!Owners.Contains(method.DeclaringType!) || !Texts.TryGetValue(name, out (string OpenCl, string Cuda) text))
            return null;
        // Overloads with more parameters (a logarithm's base, a rounding's digits) have no text.
        string printed = language == DialectLanguage.OpenCl ? text.OpenCl : text.Cuda;
        return parameters.Length == 0 || printed.Contains($"{{{parameters.Length - 1}}}", StringComparison.Ordinal) ? printed : null;
    }

    /// <summary>The prelude's function from a stored type to fp32, or back; null where none is needed.</summary>
    public static string? Widen(Scalar stored) => stored switch { Scalar.BFloat16 => "bf16_to_f32", Scalar.Half => "f16_to_f32", _ => null };

    /// <inheritdoc cref="Widen"/>
    public static string? Narrow(Scalar stored) => stored switch { Scalar.BFloat16 => "f32_to_bf16", Scalar.Half => "f32_to_f16", _ => null };

    private static string? Conversion(Type from, Type to) =>
        to == typeof(float) && Widen(CType.Of(from)!.Value.Scalar) is { } widen ? widen + "({0})"
        : from == typeof(float) && CType.Of(to) is { } type && Narrow(type.Scalar) is { } narrow ? narrow + "({0})" : null;
}
