using Marrow.Formats.Numerics;

namespace Marrow.Formats.PyTorch;

/// <summary>What a name that a pickle may reach stands for.</summary>
internal enum TorchKind
{
    OrderedDict,
    Tensor,
    TensorV2,
    TensorV3,
    Parameter,
    FromType,
    TensorClass,
    Storage,
    ElementType,
    Size,
    Opaque,
}

/// <summary>
/// The names that a checkpoint's pickle may reach; every other one is refused. None is ever looked up or called: each stands for a
/// record of our own (spec/formats.md §4.2).
/// </summary>
internal sealed record TorchName(string Name, TorchKind Kind, DType Type = default)
{
    private static readonly Dictionary<string, TorchName> Allowed = new List<TorchName>
    {
        new("collections.OrderedDict", TorchKind.OrderedDict),
        new("torch._utils._rebuild_tensor", TorchKind.Tensor),
        new("torch._utils._rebuild_tensor_v2", TorchKind.TensorV2),
        new("torch._utils._rebuild_tensor_v3", TorchKind.TensorV3),
        new("torch._utils._rebuild_parameter", TorchKind.Parameter),
        new("torch._utils._rebuild_parameter_with_state", TorchKind.Parameter),
        new("torch._tensor._rebuild_from_type_v2", TorchKind.FromType),
        new("torch.Tensor", TorchKind.TensorClass),
        new("torch.nn.parameter.Parameter", TorchKind.TensorClass),
        new("torch.Size", TorchKind.Size),
        new("torch.device", TorchKind.Opaque),
        new("builtins.set", TorchKind.Opaque),
        new("builtins.complex", TorchKind.Opaque),
        new("builtins.bytearray", TorchKind.Opaque),
        new("__builtin__.set", TorchKind.Opaque),
        new("__builtin__.complex", TorchKind.Opaque),
        new("__builtin__.bytearray", TorchKind.Opaque),
        new("_codecs.encode", TorchKind.Opaque),
        new("torch.storage.UntypedStorage", TorchKind.Storage, DType.U8),
        new("torch.UntypedStorage", TorchKind.Storage, DType.U8),
        new("torch.FloatStorage", TorchKind.Storage, DType.F32),
        new("torch.HalfStorage", TorchKind.Storage, DType.F16),
        new("torch.BFloat16Storage", TorchKind.Storage, DType.BF16),
        new("torch.DoubleStorage", TorchKind.Storage, DType.F64),
        new("torch.LongStorage", TorchKind.Storage, DType.I64),
        new("torch.IntStorage", TorchKind.Storage, DType.I32),
        new("torch.ShortStorage", TorchKind.Storage, DType.I16),
        new("torch.CharStorage", TorchKind.Storage, DType.I8),
        new("torch.ByteStorage", TorchKind.Storage, DType.U8),
        new("torch.BoolStorage", TorchKind.Storage, DType.Bool),
        new("torch.ComplexFloatStorage", TorchKind.Storage, DType.C64),
        new("torch.float32", TorchKind.ElementType, DType.F32),
        new("torch.float16", TorchKind.ElementType, DType.F16),
        new("torch.bfloat16", TorchKind.ElementType, DType.BF16),
        new("torch.float64", TorchKind.ElementType, DType.F64),
        new("torch.int64", TorchKind.ElementType, DType.I64),
        new("torch.int32", TorchKind.ElementType, DType.I32),
        new("torch.int16", TorchKind.ElementType, DType.I16),
        new("torch.int8", TorchKind.ElementType, DType.I8),
        new("torch.uint64", TorchKind.ElementType, DType.U64),
        new("torch.uint32", TorchKind.ElementType, DType.U32),
        new("torch.uint16", TorchKind.ElementType, DType.U16),
        new("torch.uint8", TorchKind.ElementType, DType.U8),
        new("torch.bool", TorchKind.ElementType, DType.Bool),
        new("torch.complex64", TorchKind.ElementType, DType.C64),
        new("torch.float8_e4m3fn", TorchKind.ElementType, DType.F8E4M3),
        new("torch.float8_e5m2", TorchKind.ElementType, DType.F8E5M2),
        new("torch.float8_e8m0fnu", TorchKind.ElementType, DType.F8E8M0),
        new("torch.float8_e4m3fnuz", TorchKind.ElementType, DType.F8E4M3Fnuz),
        new("torch.float8_e5m2fnuz", TorchKind.ElementType, DType.F8E5M2Fnuz),
    }.ToDictionary(n => n.Name);

    // Parts of names under torch that make tensors which are not plain arrays of one element type.
    private static readonly string[] OtherTensors =
        ["sparse", "qtensor", "nested", "meta_tensor", "device_tensor", "wrapper_subclass", "QInt", "QUInt", "ComplexDouble", "quint", "qint", "complex128", "complex32"];

    /// <summary>The name without its module, as "FloatStorage".</summary>
    public string Short => Name[(Name.LastIndexOf('.') + 1)..];

    /// <summary>The allowed name, or null.</summary>
    public static TorchName? Find(string module, string name) => Allowed.GetValueOrDefault($"{module}.{name}");

    /// <summary>Whether the name stands for a kind of tensor that is harmless but not read here (sparse, quantised, …).</summary>
    public static bool IsOtherTensor(string module, string name) =>
        module is "torch" or "torch._utils" && Array.Exists(OtherTensors, part => name.Contains(part, StringComparison.Ordinal));

    /// <summary>The storage class under which elements of a type are written, or null where torch has none.</summary>
    public static TorchName? StorageOf(DType type) =>
        Allowed.Values.FirstOrDefault(n => n.Kind == TorchKind.Storage && n.Type == type && !n.Name.EndsWith(".UntypedStorage", StringComparison.Ordinal));
}
