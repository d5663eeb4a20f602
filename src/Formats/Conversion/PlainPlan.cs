using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;

namespace Marrow.Formats.Conversion;

/// <summary>The tensors of a folder, a .safetensors or a .pth file, none of which hold blocks.</summary>
internal static class PlainPlan
{
    // What whoever reads a model without a config.json takes for granted.
    private const double UsualNormEps = 1e-5, UsualHeadNormEps = 64e-5;

    /// <summary>Every tensor with the type that it gets, in the natural order of its name; <paramref name="naming"/> renames those of RWKV.</summary>
    /// <exception cref="MarrowException">CV002 a quantised model and no type named; CV007 a tensor that cannot have the type; otherwise as <see cref="FlaWriter"/>.</exception>
    public static List<PlannedTensor> Of(SourceModel model, DType? storeAs, RwkvNaming? naming)
    {
        ITensorSource source = model.Tensors;
        if (storeAs is null && source.Tensors.Values.FirstOrDefault(t => t.DType.IsBlock()) is { } quantised)
            throw new MarrowException("CV002", $"{source.Path}: is quantised (tensor '{Echo.Name(quantised.Name)}' is {quantised.DType}), and only GGUF files hold such tensors; name the type to store it as, F16, BF16 or F32 [CV002]");
        DType? vectors = storeAs is null && model.GgufValues is not null ? NarrowType(model) : null;
        ILookup<string?, TensorInfo> officials = source.Tensors.Values.ToLookup(t => naming is { } form ? FlaWriter.NameOf(t.Name, form) : t.Name);
        IEnumerable<TensorToWrite> tensors = naming is { } other ? FlaWriter.Tensors(source, other) : source.Tensors.Keys.Select(n => TensorToWrite.Copy(source, n));
        return
        [
            .. tensors.OrderBy(t => t.Name, NaturalOrder.Instance).Select(t =>
            {
                if (storeAs is { } named && IsCopiedFloat(t.DType))
                    throw new MarrowException("CV007", $"{source.Path}: tensor '{Echo.Name(t.Name)}' is stored as {t.DType}, which is not decoded here and cannot be made {named}; take a file of another type, or keep the stored types [CV007]");
                DType stored = model.StoredType(officials[t.Name].First());
                DType to = !t.DType.IsFloat() && !t.DType.IsBlock() ? t.DType : storeAs ?? (stored == DType.F32 ? vectors : null) ?? stored;
                return to == t.DType || t.DType.IsReal() ? new PlannedTensor(t, to) { Rounded = model.IsRounded is { } rounded && officials[t.Name].Any(o => rounded(o.Name)) } : throw new MarrowException("CV007",
                    $"{source.Path}: tensor '{Echo.Name(t.Name)}' is stored as {t.DType}, which can be copied but not decoded here; take a file of another type (Q4_K, Q6_K, Q8_0 …) [CV007]");
            }),
        ];
    }

    /// <summary>Floating-point types, and pairs of such, that are copied only.</summary>
    private static bool IsCopiedFloat(DType type) =>
        type is DType.F8E4M3 or DType.F8E5M2 or DType.F8E8M0 or DType.F8E4M3Fnuz or DType.F8E5M2Fnuz or DType.F4 or DType.F6E2M3 or DType.F6E3M2 or DType.C64;

    /// <summary>Refuses to write a model without a config.json that it cannot do without.</summary>
    /// <exception cref="MarrowException">CV001.</exception>
    public static void RequireUsualNorms(string path, RwkvConfig config)
    {
        if (config.NormEps != UsualNormEps || config.HeadNormEps != UsualHeadNormEps)
            throw new MarrowException("CV001", $"{path}: a file of RWKV's weights alone means norms with epsilons of {UsualNormEps} and {UsualHeadNormEps} (over heads), and this model has {config.NormEps} and {config.HeadNormEps}; "
                + "write a GGUF file, or a folder [CV001]");
    }

    /// <summary>
    /// GGUF keeps vectors and small matrices as F32 whatever the model's type was. The 16-bit type of the other tensors, where those lose nothing in it: then
    /// it was theirs as well. Null otherwise.
    /// </summary>
    private static DType? NarrowType(SourceModel model)
    {
        ITensorSource source = model.Tensors;
        DType[] others = [.. source.Tensors.Values.Select(model.StoredType).Where(t => t != DType.F32).Distinct()];
        if (others is not [DType.F16 or DType.BF16])
            return null;
        float[] values = new float[TensorPieces.Chunk], again = new float[TensorPieces.Chunk];
        byte[] stored = new byte[TensorPieces.Chunk * sizeof(ushort)];
        foreach (TensorInfo info in source.Tensors.Values.Where(t => model.StoredType(t) == DType.F32))
        {
            for (long at = 0; at < info.Count; at += values.Length)
            {
                int count = (int)Math.Min(values.Length, info.Count - at);
                source.ReadFloats(info.Name, at, values.AsSpan(0, count));
                StoredElements.FromFloats(others[0], values.AsSpan(0, count), stored.AsSpan(0, count * sizeof(ushort)));
                StoredElements.ToFloats(others[0], stored.AsSpan(0, count * sizeof(ushort)), again.AsSpan(0, count));
                if (!values.AsSpan(0, count).SequenceEqual(again.AsSpan(0, count)))
                    return null;
            }
        }
        return others[0];
    }
}
