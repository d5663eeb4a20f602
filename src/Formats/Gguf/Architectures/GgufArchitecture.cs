using System.Globalization;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Marrow.Formats.Views;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>
/// How models of one architecture stand in GGUF files, in both directions: their configuration as metadata, their tensors under other names, shapes and row
/// orders (spec/formats.md §§2.7, 6.2, 6.3, 8.3, 8.4). Official names are those the engine asks for: Hugging Face's of the Llama family, RWKV-LM's of RWKV.
/// </summary>
public abstract class GgufArchitecture
{
    private protected GgufArchitecture(string name, GgufNames names) => (Name, Names) = (name, names);

    /// <summary>The value of general.architecture.</summary>
    public string Name { get; }

    private protected GgufNames Names { get; }

    /// <summary>The configuration that the metadata and the tensors of a file say.</summary>
    /// <exception cref="ModelFileException">GA002 … GA005: tensors that are not known, a key that is missing, out of bounds or not supported; GG030 a key of another type.</exception>
    public ModelConfig ReadConfig(ITensorSource tensors, GgufMetadata values) => ReadConfig(tensors, values, out _);

    /// <summary>The same, with a sentence on the architecture's keys that are not known here, and so not heeded; most files have none.</summary>
    /// <exception cref="ModelFileException">As the other.</exception>
    public ModelConfig ReadConfig(ITensorSource tensors, GgufMetadata values, out string? warning)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(values);
        var keys = new GgufKeys(values, Name);
        ModelConfig config = ReadModel(tensors, keys);
        string[] unheeded = [.. keys.Unheeded];
        warning = unheeded.Length == 0 ? null
            : $"{values.Path}: metadata keys are not known here, and what they say is not heeded: {Shown(unheeded)}; where the model computes with it, take its Hugging Face folder";
        return config;
    }

    /// <summary>
    /// Puts what readers of GGUF need to know of the configuration: general.architecture, general.type and the architecture's keys. Tokenizer, name, file and
    /// quantisation types are for others to put.
    /// </summary>
    /// <exception cref="ModelFileException">GA006 GGUF has no key for something that the model computes with.</exception>
    public void Describe(ModelConfig config, GgufMetadata values)
    {
        ArgumentNullException.ThrowIfNull(values);
        values.Set("general.architecture", Name);
        values.Set("general.type", "model");
        DescribeModel(config, new GgufKeys(values, Name));
    }

    /// <summary>What llama.cpp does not heed although the model was made with it, one sentence each; empty where it computes the same.</summary>
    public virtual IReadOnlyList<string> Losses(ModelConfig config) => [];

    /// <summary>
    /// The tensors of a file under official names and in official shapes. Rows are moved as they are stored, so that block-quantised tensors stay what they are;
    /// where arithmetic is needed (Gemma's norms, RWKV-6's division but of blocks, whose scales are multiplied) they are shown as F32. The file is then this one's to dispose of; a failure leaves it open.
    /// </summary>
    /// <exception cref="ModelFileException">GA002 tensors that are not known, by name; GA003 a shape that is not this architecture's.</exception>
    public ITensorSource Official(ITensorSource file, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(file);
        var views = new List<TensorView>();
        List<string> unknown = [];
        foreach (TensorInfo stored in file.Tensors.Values)
        {
            if (IsIdle(stored.Name))
                continue;
            (string block, GgufRule[] rules) = Names.FromGguf(stored.Name);
            if (rules.Length == 0)
                unknown.Add(stored.Name);
            foreach (GgufRule rule in rules)
                views.Add(OfficialView(file, stored, Names.Official(block, rule), rule, Amount(rule, block, config)));
        }
        if (unknown.Count > 0)
            throw Unknown(file.Path, unknown, $"not of the architecture {Name} as it is supported here; the model computes with something that would be left out");
        return new ViewedTensors(file, views, owns: true);
    }

    /// <summary>
    /// Official tensors as a GGUF file has them, the inverse of <see cref="Official"/>; what arithmetic is needed for is shown as F32. Types are the official ones
    /// otherwise: choosing those that readers accept is the writer's. The official source stays the caller's to dispose of.
    /// </summary>
    /// <exception cref="ModelFileException">GA002 tensors that have no place in GGUF, by name; GA003 a shape that is not this architecture's.</exception>
    public ITensorSource ToGguf(ITensorSource official, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(official);
        ArgumentNullException.ThrowIfNull(config);
        var views = new List<TensorView>();
        List<string> unknown = [];
        foreach (TensorInfo info in official.Tensors.Values)
        {
            (string block, GgufRule? rule) = Names.FromOfficial(info.Name);
            if (config.IsDerived(info.Name))
                continue;
            if (rule is null)
                unknown.Add(info.Name);
            else if (rule.Form != GgufForm.Part)
                views.Add(GgufView(official, info, GgufNames.Gguf(block, rule), rule, Amount(rule, block, config)));
            else if (Names.PartsOf(block, rule) is var parts && (rule.Index == 0 || !official.Tensors.ContainsKey(parts[0])))
                views.Add(Stack(official, parts, GgufNames.Gguf(block, rule)));
        }
        if (unknown.Count > 0)
            throw Unknown(official.Path, unknown, $"without a place in GGUF files of the architecture {Name}; write another kind of file, or leave them out of the model");
        views.AddRange(Added(official, config));
        return new ViewedTensors(official, views, owns: false);
    }

    /// <summary>The name that a file gives an official tensor; null where it carries none such.</summary>
    public string? NameOf(string officialTensor)
    {
        (string block, GgufRule? rule) = Names.FromOfficial(officialTensor);
        return rule is null ? null : GgufNames.Gguf(block, rule);
    }

    /// <summary>The official name of a file's tensor; null where it is not known, or several tensors in one.</summary>
    public string? OfficialOf(string ggufTensor)
    {
        (string block, GgufRule[] rules) = IsIdle(ggufTensor) ? ("", []) : Names.FromGguf(ggufTensor);
        return rules is [var only] && only.Form != GgufForm.Part ? Names.Official(block, only) : null;
    }

    /// <summary>Where a file's rows stand in the official tensor: row i of the file is official row [i]. Null where they stand alike.</summary>
    public int[]? RowOrder(string officialTensor, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        (string block, GgufRule? rule) = Names.FromOfficial(officialTensor);
        if (rule is not { Form: GgufForm.QueryRows or GgufForm.KeyRows })
            return null;
        int heads = Amount(rule, block, config), size = ((LlamaConfig)config).HeadDim;
        int[] head = Interleaved(size), order = new int[heads * size];
        for (int row = 0; row < order.Length; row++)
            order[row] = row / size * size + head[row % size];
        return order;
    }

    /// <summary>What a file's values of an official tensor are divided by; 1 for nearly all.</summary>
    public float DivisorOf(string officialTensor, ModelConfig config)
    {
        (string block, GgufRule? rule) = Names.FromOfficial(officialTensor);
        return rule?.Form == GgufForm.Divided ? Amount(rule, block, config) : 1;
    }

    private protected abstract ModelConfig ReadModel(ITensorSource tensors, GgufKeys keys);

    private protected abstract void DescribeModel(ModelConfig config, GgufKeys keys);

    /// <summary>What a rule's form depends on: heads of the rows' order and of a flat tensor, the divisor.</summary>
    private protected abstract int Amount(GgufRule rule, string block, ModelConfig config);

    /// <summary>Whether files have this tensor although it stands for no official one.</summary>
    private protected virtual bool IsIdle(string ggufTensor) => false;

    /// <summary>Tensors that files have and official sources do not.</summary>
    private protected virtual IEnumerable<TensorView> Added(ITensorSource official, ModelConfig config) => [];

    private static TensorView OfficialView(ITensorSource file, TensorInfo stored, string name, GgufRule rule, int amount)
    {
        long[] shape = [.. stored.Shape];
        long last = shape.Length == 0 ? 1 : shape[^1];
        return (rule.Form, shape) switch
        {
            // Files leave out the first dimension where it is 1: here the only head, and the width of a low-rank path.
            (GgufForm.Heads, [_]) when amount == 1 => new StoredView(stored with { Name = name, Shape = [1, last] }, file, stored.Name),
            (GgufForm.Transposed, [_]) when !stored.DType.IsBlock() => new StoredView(stored with { Name = name, Shape = [last, 1] }, file, stored.Name),
            (GgufForm.Same or GgufForm.Heads, _) => new StoredView(stored with { Name = name }, file, stored.Name),
            (GgufForm.QueryRows or GgufForm.KeyRows, _) when Rows(stored, amount) => new RowOrderView(stored with { Name = name }, file, stored.Name, Halves((int)(shape[0] / amount))),
            (GgufForm.PlusOne, _) => new FloatView(TensorView.Shown(name, DType.F32, shape), file, stored.Name, added: -1),
            (GgufForm.Vector, _) when stored.Count == last => new StoredView(stored with { Name = name, Shape = [1, 1, last] }, file, stored.Name),
            (GgufForm.Part, [var parts, ..]) when parts == rule.Parts && stored.Count == parts * last =>
                new StoredView(new TensorInfo(name, stored.DType, [1, 1, last], stored.ByteLength / parts), file, stored.Name, stored.ByteLength / parts * rule.Index),
            (GgufForm.Transposed, { Length: >= 2 }) => new TransposedView(name, file, stored),
            (GgufForm.Flat, _) when stored.Count % amount == 0 => new StoredView(stored with { Name = name, Shape = [amount, stored.Count / amount] }, file, stored.Name),
            (GgufForm.Divided, _) => Scaled(file, stored, name, amount),
            _ => throw Misshapen(file, stored, rule.Gguf),
        };
    }

    private static TensorView GgufView(ITensorSource official, TensorInfo info, string name, GgufRule rule, int amount)
    {
        long[] shape = [.. info.Shape];
        return (rule.Form, shape) switch
        {
            (GgufForm.Same or GgufForm.Heads, _) => new StoredView(info with { Name = name }, official, info.Name),
            (GgufForm.QueryRows or GgufForm.KeyRows, _) when Rows(info, amount) => new RowOrderView(info with { Name = name }, official, info.Name, Interleaved((int)(shape[0] / amount))),
            (GgufForm.PlusOne, _) => new FloatView(TensorView.Shown(name, DType.F32, shape), official, info.Name, added: 1),
            (GgufForm.Vector, _) when info.Count == shape.LastOrDefault(1) => new StoredView(info with { Name = name, Shape = [info.Count] }, official, info.Name),
            (GgufForm.Transposed, { Length: >= 2 }) => new TransposedView(name, official, info),
            (GgufForm.Flat, [_, _]) => new StoredView(info with { Name = name, Shape = [info.Count] }, official, info.Name),
            (GgufForm.Divided, _) => Scaled(official, info, name, 1f / amount),
            _ => throw Misshapen(official, info, rule.Official),
        };
    }

    // Powers of two: blocks keep their type where all their values follow fp16 scales, the rest is shown as fp32.
    private static TensorView Scaled(ITensorSource source, TensorInfo info, string name, float factor) => factor == 1 ? new StoredView(info with { Name = name }, source, info.Name)
        : info.DType.IsBlock() && !BlockScales.HalvesOf(info.DType).IsEmpty ? new ScaledBlocksView(info with { Name = name }, source, info.Name, factor)
        : new FloatView(TensorView.Shown(name, DType.F32, [.. info.Shape]), source, info.Name, factor);

    private static StackedView Stack(ITensorSource official, string[] names, string name)
    {
        TensorInfo[] parts = [.. names.Select(n => official.Require(n))];
        long last = parts[0].Shape.LastOrDefault(1);
        foreach (TensorInfo part in parts)
            if (part.Count != last || part.Shape.LastOrDefault(1) != last)
                throw Misshapen(official, part, $"a part of {name}");
        DType type = parts.All(p => p.DType == parts[0].DType) ? parts[0].DType : DType.F32;
        return new StackedView(TensorView.Shown(name, type, parts.Length, 1, 1, last),
            [.. parts.Select(p => p.DType == type ? (TensorView)new StoredView(p, official, p.Name) : new FloatView(TensorView.Shown(p.Name, type, last), official, p.Name))]);
    }

    // A block-quantised vector has no rows that could be moved.
    private static bool Rows(TensorInfo info, int heads) =>
        info.Shape is [> 0 and var rows, ..] && rows % (2L * heads) == 0 && rows / heads <= LlamaConfigReader.MostHeadDim && (info.Shape.Count > 1 || !info.DType.IsBlock());

    /// <summary>Official rows of a head, halves of the rotation, at the places of pairs: row 2i + j of a file is official row j·d/2 + i (spec/formats.md §6.3).</summary>
    private static int[] Interleaved(int size) => [.. Enumerable.Range(0, size).Select(row => row % 2 * (size / 2) + row / 2)];

    /// <summary>The inverse: official row j·d/2 + i is row 2i + j of a file.</summary>
    private static int[] Halves(int size) => [.. Enumerable.Range(0, size).Select(row => row % (size / 2) * 2 + row / (size / 2))];

    private static ModelFileException Misshapen(ITensorSource source, TensorInfo info, string what) => new("GA003", source.Path,
        $"tensor '{Echo.Name(info.Name)}' is {info.DType} {info.ShapeText}, which {what} is not in such a model; the file is damaged, or belongs to another kind of model");

    private static ModelFileException Unknown(string path, List<string> names, string what) => new("GA002", path, string.Create(CultureInfo.InvariantCulture,
        $"{names.Count} tensors are {what}: {Shown(names)}"));

    private static string Shown(IReadOnlyList<string> names) => string.Join(", ", names.Take(5).Select(n => $"'{Echo.Name(n)}'")) + (names.Count > 5 ? " …" : "");
}
