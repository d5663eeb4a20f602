using System.Globalization;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Marrow.Formats.Views;

namespace Marrow.Formats.Conversion;

/// <summary>The metadata and tensors of a GGUF file. One that comes from a GGUF file keeps all it has; another is described by its architecture.</summary>
/// <param name="Values">The metadata.</param>
/// <param name="Tensors">The tensors under GGUF's names.</param>
internal sealed record GgufPlan(GgufMetadata Values, IReadOnlyList<PlannedTensor> Tensors)
{
    private static readonly GgufFileType Halves = GgufFileType.Of(1)!;

    /// <summary>Plans a file.</summary>
    /// <exception cref="MarrowException">CV003 a tensor would be quantised a second time; CV007 a tensor that cannot have its type; otherwise as architecture, tokenizer and type plan.</exception>
    public static GgufPlan Of(string path, SourceModel model, ConversionOptions options, List<string> warnings)
    {
        GgufArchitecture? architecture = model.GgufTensors is null ? GgufArchitectures.For(model.Config) : null;
        ITensorSource tensors = model.GgufTensors ?? architecture!.ToGguf(model.Tensors, model.Config);
        GgufMetadata values = model.GgufValues is { } old ? Copy(path, old, options.FileType is not null) : Described(path, model, architecture!, options.PreTokenizer, warnings);
        IEnumerable<TensorInfo> infos = architecture is null ? tensors.Tensors.Values : tensors.Tensors.Values.OrderBy(t => t.Name, NaturalOrder.Instance);
        List<PlannedTensor> planned = options.FileType is { } type
            ? Mixed(type, values, tensors, [.. infos])
            : Kept(values, tensors, [.. infos], name => architecture?.OfficialOf(name) is { } official && model.Tensors.Tensors.TryGetValue(official, out TensorInfo? info) ? model.StoredType(info) : null);
        foreach (PlannedTensor tensor in planned)
            RequirePossible(model.Tensors.Path, tensor, options);
        if (tensors is ViewedTensors views)
            planned = [.. planned.Select(t => t with { Rounded = views.IsRounded(t.From.Name) || (architecture!.OfficialOf(t.From.Name) is { } official && model.IsRounded?.Invoke(official) == true) })];
        if (planned.Count(t => t.Fallback is not null) is var count and > 0)
            warnings.Add(string.Create(CultureInfo.InvariantCulture, $"{count} tensors have rows that are not whole blocks and are stored as {string.Join(", ", planned.Where(t => t.Fallback is not null).Select(t => t.To).Distinct())} instead"));
        SetFileType(values, planned, options.FileType);
        return new GgufPlan(values, planned);
    }

    private static List<PlannedTensor> Mixed(GgufFileType type, GgufMetadata values, ITensorSource tensors, TensorInfo[] infos)
    {
        IReadOnlyDictionary<string, (DType Type, string? Fallback)> types = GgufTypePlan.Of(type, values, infos);
        return [.. infos.Select(t => new PlannedTensor(TensorToWrite.Copy(tensors, t.Name), types[t.Name].Type, types[t.Name].Fallback))];
    }

    // Readers want vectors and some small matrices as F32, whatever the model's type is.
    private static List<PlannedTensor> Kept(GgufMetadata values, ITensorSource tensors, TensorInfo[] infos, Func<string, DType?> officialType)
    {
        IReadOnlyDictionary<string, (DType Type, string? Fallback)> types = GgufTypePlan.Of(Halves, values, infos);
        return [.. infos.Select(t => new PlannedTensor(TensorToWrite.Copy(tensors, t.Name), Type(t)))];

        DType Type(TensorInfo tensor)
        {
            // A tensor that is scaled by a power of two comes as F32, but loses nothing in its own type.
            DType stored = tensor.DType.IsFloat() && officialType(tensor.Name) is { } own && own.IsFloat() ? own : tensor.DType;
            return !stored.IsFloat() ? stored : types[tensor.Name].Type == DType.F32 || stored == DType.F64 ? DType.F32 : stored;
        }
    }

    private static GgufMetadata Described(string path, SourceModel model, GgufArchitecture architecture, string? preTokenizer, List<string> warnings)
    {
        var values = new GgufMetadata(path);
        architecture.Describe(model.Config, values);
        if (model.Name is { } name)
            values.Set("general.name", name);
        warnings.AddRange(architecture.Losses(model.Config));
        if (model.LeftOut("GGUF") is { } leftOut)
            warnings.Add(leftOut);
        if (model.Tokenizer is { } files && (files.Tokenizer ?? files.SentencePiece ?? files.World) is not null)
            warnings.AddRange(GgufTokenizer.Write(files, model.Config.VocabularySize, values, preTokenizer));
        else
            warnings.Add("there is no tokenizer.json, tokenizer.model or rwkv_vocab….txt beside the model, so the file has no tokenizer and most programs will refuse it");
        return values;
    }

    // What told how the old file was quantised does not hold of the new one.
    private static GgufMetadata Copy(string path, GgufMetadata old, bool quantised)
    {
        var values = new GgufMetadata(path);
        foreach ((string key, GgufValue value) in old.Values)
            if (!quantised || !key.StartsWith("quantize.imatrix.", StringComparison.Ordinal))
                values.Set(key, value);
        return values;
    }

    private static void RequirePossible(string path, PlannedTensor tensor, ConversionOptions options)
    {
        (TensorToWrite from, DType to) = (tensor.From, tensor.To);
        string name = $"{path}: tensor '{Echo.Name(from.Name)}' is stored as {from.DType}";
        if (to.IsBlock() && BlockFormats.Of(to).Id < 0)
            throw new MarrowException("CV002", $"{name}, which GGUF files do not have; name the type to store it as, F16, BF16 or F32 [CV002]");
        if (to == from.DType)
            return;
        if (from.DType.IsBlock() && to.IsBlock() && !options.AllowRequantize)
            throw new MarrowException("CV003", $"{name} and would be quantised again as {to}, with the losses of both; convert the model's F16, BF16 or F32 file, or allow it to be quantised again [CV003]");
        if (!from.DType.IsReal())
            throw new MarrowException("CV007", $"{name}, which can be copied but not made {to}; take a file of another type (F16, BF16, Q8_0 …) [CV007]");
        if (to.IsBlock() && BlockFormats.Of(to).Encode is null)
            throw new MarrowException("CV007", $"{name} and cannot be made {to}, which is not written here; choose Q4_K_M, Q5_K_M, Q6_K or Q8_0 [CV007]");
    }

    private static void SetFileType(GgufMetadata values, List<PlannedTensor> tensors, GgufFileType? type)
    {
        DType? most = tensors.Where(t => t.From.Shape.Count >= 2).GroupBy(t => t.To).OrderByDescending(g => g.Sum(t => t.To.Bytes(t.From.Count))).FirstOrDefault()?.Key;
        // A file without a named type that was quantised says best itself what it is.
        type ??= most?.IsBlock() == true && values.Has(GgufFileType.Key) ? null : GgufFileType.All.FirstOrDefault(t => t.Main == most);
        if (type is not null)
            values.Set(GgufFileType.Key, type.Number);
    }
}
