using System.Globalization;
using Marrow.Formats.Numerics;
using Marrow.Formats.Views;

namespace Marrow.Formats.HuggingFace;

/// <summary>
/// The tensors of a folder that bitsandbytes has stored in 4 bits, each with its scales beside its codes, as tensors of <see cref="DType.NF4"/>. Codes are copied as
/// they are stored; doubly quantised scales are decoded as bitsandbytes does. NF4 in blocks of 64 is read; FP4, 8 bits and other blocks are refused by name.
/// </summary>
internal static class BitsAndBytesTensors
{
    private const string State = ".quant_state.bitsandbytes__", Nf4 = "nf4";
    private const int BlockElements = 64, LargestState = 1 << 16;

    private static readonly string[] Parts = [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"];

    /// <summary>Whether a file's tensors are such.</summary>
    public static bool IsPresent(ITensorSource source) => source.Tensors.Keys.Any(n => n.Contains(State, StringComparison.Ordinal) || IsEightBits(n));

    /// <summary>Shows the tensors; the source is then this one's to dispose of. A failure leaves it open.</summary>
    /// <exception cref="ModelFileException">BB001 what belongs to a tensor is missing or does not fit it; BB002 another kind than NF4 in blocks of 64 along rows.</exception>
    public static ITensorSource Open(ITensorSource source)
    {
        if (source.Tensors.Keys.FirstOrDefault(IsEightBits) is { } eight)
            throw Unsupported(source, eight, "belongs to a model stored in 8 bits (LLM.int8)");
        var states = new Dictionary<string, string>();
        HashSet<string> taken = [];
        foreach (string state in source.Tensors.Keys.Where(n => n.Contains(State, StringComparison.Ordinal)))
        {
            string weight = state[..state.IndexOf(State, StringComparison.Ordinal)];
            source.Require(weight);
            if (!states.TryAdd(weight, state))
                throw Broken(source, weight, $"has two states, '{Echo.Name(states[weight])}' and '{Echo.Name(state)}'");
            taken.UnionWith([state, .. Parts.Select(p => weight + p)]);
        }
        return new ViewedTensors(source, source.Tensors.Values.Where(t => !taken.Contains(t.Name))
            .Select(t => states.TryGetValue(t.Name, out string? state) ? (TensorView)Weight(source, t, state) : new StoredView(t, source, t.Name)), owns: true);
    }

    private static bool IsEightBits(string name) => name.EndsWith(".SCB", StringComparison.Ordinal) || name.EndsWith(".weight_format", StringComparison.Ordinal);

    private static Nf4View Weight(ITensorSource source, TensorInfo codes, string stateName)
    {
        string name = codes.Name;
        TensorInfo stored = source.Require(stateName);
        if (stored.DType != DType.U8 || stored.ByteLength > LargestState)
            throw Broken(source, stateName, $"is {stored.DType} {stored.ShapeText}; a short text in bytes is needed");
        byte[] text = new byte[stored.ByteLength];
        source.Read(stateName, 0, text);
        JsonFields state = JsonFields.Parse($"{source.Path}, tensor '{Echo.Name(stateName)}'", text, "BB001", "BB001");
        if ((state.Text("quant_type") ?? stateName[(name.Length + State.Length)..]) is var kind && kind != Nf4)
            throw Unsupported(source, name, $"is stored as {Echo.Name(kind)}");
        if (state.Integer("blocksize", 1, int.MaxValue, "BB001") is var block && block != BlockElements)
            throw Unsupported(source, name, $"is stored in blocks of {block?.ToString(CultureInfo.InvariantCulture) ?? "unknown size"}");
        long[] shape = [.. state.Integers("shape") ?? []];
        if (shape is not [> 0 and <= int.MaxValue, > 0 and <= int.MaxValue])
            throw state.Error("BB001", "shape", "must be two sizes above 0, those of a matrix");
        if (shape[1] % BlockElements != 0)
            throw Unsupported(source, name, string.Create(CultureInfo.InvariantCulture, $"has rows of {shape[1]} elements, in which blocks of {BlockElements} do not end"));
        long blocks = shape[0] * shape[1] / BlockElements;
        if (codes.ByteLength != blocks * BlockElements / 2)
            throw Broken(source, name, string.Create(CultureInfo.InvariantCulture, $"has {codes.ByteLength} bytes, but its state says [{shape[0]},{shape[1]}], which takes {blocks * BlockElements / 2}"));
        CheckLevels(source, name);
        return new Nf4View(TensorView.Shown(name, DType.NF4, shape), source, name, Scales(source, name, state, blocks));
    }

    private static Nf4Scales Scales(ITensorSource source, string name, JsonFields state, long blocks)
    {
        TensorInfo largest = source.Require(name + ".absmax");
        if (largest.Count != blocks || !(largest.DType == DType.U8 || largest.DType.IsFloat()))
            throw Broken(source, largest.Name, string.Create(CultureInfo.InvariantCulture, $"is {largest.DType} {largest.ShapeText}; {blocks} scales are needed"));
        if (largest.DType != DType.U8)
            return new Nf4Scales(largest.Name, null, null, 0, 0);
        TensorInfo map = source.Require(name + ".nested_quant_map"), outer = source.Require(name + ".nested_absmax");
        int group = (int)(state.Integer("nested_blocksize", 1, int.MaxValue, "BB001") ?? throw state.Error("BB001", "nested_blocksize", "is missing"));
        if (map.Count != 256 || !map.DType.IsFloat())
            throw Broken(source, map.Name, $"is {map.DType} {map.ShapeText}; 256 levels are needed");
        if (outer.Count != (blocks + group - 1) / group || !outer.DType.IsFloat())
            throw Broken(source, outer.Name, string.Create(CultureInfo.InvariantCulture, $"is {outer.DType} {outer.ShapeText}; {(blocks + group - 1) / group} scales of scales are needed"));
        double offset = state.Number("nested_offset") ?? throw state.Error("BB001", "nested_offset", "is missing");
        return new Nf4Scales(largest.Name, source.ReadFloats(map.Name), outer.Name, group, (float)offset);
    }

    // Blocks are decoded with NF4's own levels.
    private static void CheckLevels(ITensorSource source, string name)
    {
        TensorInfo map = source.Require(name + ".quant_map");
        if (map.Count != 16 || !map.DType.IsFloat())
            throw Broken(source, map.Name, $"is {map.DType} {map.ShapeText}; the 16 levels of NF4 are needed");
        byte[] every = new byte[36];
        BitConverter.TryWriteBytes(every, 1f);
        for (int i = 0; i < 8; i++)
            every[4 + i] = (byte)(2 * i << 4 | (2 * i + 1));
        float[] own = new float[BlockElements], levels = source.ReadFloats(map.Name);
        Numerics.Blocks.BlockFormats.Of(DType.NF4).Decode!(every, own);
        for (int i = 0; i < 16; i++)
            if (!(Math.Abs(levels[i] - own[i]) <= 1e-4f))
                throw Unsupported(source, map.Name, string.Create(CultureInfo.InvariantCulture, $"has the level {levels[i]:R} where NF4 has {own[i]:R}"));
    }

    private static ModelFileException Broken(ITensorSource source, string name, string what) =>
        new("BB001", source.Path, $"tensor '{Echo.Name(name)}' {what}; the file is damaged, fetch it again");

    private static ModelFileException Unsupported(ITensorSource source, string name, string what) =>
        new("BB002", source.Path, $"tensor '{Echo.Name(name)}' {what}; of bitsandbytes' kinds only NF4 in blocks of 64 is read; take the original model, or one stored as NF4");
}
