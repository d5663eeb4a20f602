using System.Globalization;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Gguf;

/// <summary>
/// Chooses each tensor's type in a file of a given type as llama.cpp's quantiser does without an importance matrix (spec/formats.md §3.6; rules
/// read in llama-quant.cpp of 2026): the tensors that matter most get more bits, small ones stay floats.
/// </summary>
public sealed class GgufTypePlan
{
    /// <summary>Parts of names of matrices that the converter of llama.cpp always stores as fp32.</summary>
    private static readonly string[] AlwaysF32 =
    [
        "_norm.weight", "ffn_gate_inp", "position_embd", "token_types", "ssm_conv1d", "shortconv.conv", "attn_rel_b", "time_mix_first", "time_mix_w1.", "time_mix_w2.",
        "time_mix_decay_w1", "time_mix_decay_w2", "time_mix_lerp_fused",
    ];

    /// <summary>Parts of names of further small matrices that are floats even among blocks.</summary>
    private static readonly string[] NeverBlocks =
    [
        "time_mix_w0.", "time_mix_v0.", "time_mix_v1.", "time_mix_v2.", "time_mix_a0.", "time_mix_a1.", "time_mix_a2.", "time_mix_g1.", "time_mix_g2.",
        "altup", "laurel", "per_layer_model_proj",
    ];

    private readonly GgufFileType _type;
    private readonly int _layers, _experts, _sharing, _attentionValues;
    private readonly bool _tied, _is70B;
    private int _valuesSeen, _downsSeen;

    private GgufTypePlan(GgufFileType type, GgufMetadata values, IReadOnlyList<TensorInfo> tensors)
    {
        _type = type;
        string architecture = values.Text("general.architecture") ?? "";
        _layers = values.Size($"{architecture}.block_count") ?? (tensors.Count == 0 ? 0 : tensors.Max(t => LayerOf(t.Name)) + 1);
        _experts = values.Size($"{architecture}.expert_count") ?? 0;
        long heads = First(values, $"{architecture}.attention.head_count") ?? 1, keyHeads = First(values, $"{architecture}.attention.head_count_kv") ?? heads;
        _sharing = keyHeads > 0 ? (int)(heads / keyHeads) : 0;
        _is70B = _layers == 80 && (architecture == "qwen2" || (architecture == "llama" && heads != keyHeads));
        _attentionValues = tensors.Count(t => IsAttentionValue(t.Name));
        _tied = !tensors.Any(t => t.Name == "output.weight");
    }

    /// <summary>The type of every tensor by name, and where a tensor's rows do not fit the type that was meant, a sentence on what it gets instead.</summary>
    /// <param name="type">The file's type.</param>
    /// <param name="values">The file's metadata: architecture, layers, heads and experts count.</param>
    /// <param name="tensors">All tensors under their GGUF names with the types they have now (small matrices and integers keep them).</param>
    /// <exception cref="MarrowException">GG026 no files of this type are written here.</exception>
    public static IReadOnlyDictionary<string, (DType Type, string? Fallback)> Of(GgufFileType type, GgufMetadata values, IReadOnlyList<TensorInfo> tensors)
    {
        if (!HasRules(type))
            throw new MarrowException("GG026", $"files of type {type.Name} are not written here; choose Q4_K_M, Q5_K_M, Q6_K or Q8_0 [GG026]");
        GgufTypePlan plan = new(type, values, tensors);
        Dictionary<string, (DType, string?)> types = [];
        // Some rules count the tensors of a kind: in the order of layers, then names.
        foreach (TensorInfo tensor in tensors.OrderBy(t => LayerOf(t.Name)).ThenBy(t => t.Name, StringComparer.Ordinal))
            types[tensor.Name] = plan.Choose(tensor);
        return types;
    }

    private static bool HasRules(GgufFileType type) => type.Name != "Q2_K_S" && type.Main
        is not (DType.NVFP4 or DType.IQ1_S or DType.IQ1_M or DType.IQ2_XXS or DType.IQ2_XS or DType.IQ2_S or DType.IQ3_XXS or DType.IQ3_S);

    private (DType Type, string? Fallback) Choose(TensorInfo tensor)
    {
        if (!tensor.DType.IsFloat() && !tensor.DType.IsBlock())
            return (tensor.DType, null);
        // Last dimensions of size 1 do not count, wherever they stand first in torch's order.
        bool matrix = tensor.Shape.SkipWhile(size => size == 1).Count() >= 2;
        if (!matrix || !tensor.Name.EndsWith("weight", StringComparison.Ordinal) || Names(tensor, AlwaysF32))
            return (DType.F32, null);
        if (!_type.Main.IsBlock())
            return (_type.Main, null);
        if (Names(tensor, NeverBlocks))
            return (tensor.DType == DType.F64 ? DType.F32 : tensor.DType, null);
        long row = tensor.Shape[^1];
        DType wanted = Mix(tensor.Name, row, tensor.Shape);
        if (Fits(wanted, row))
            return (wanted, null);
        DType instead = Narrower(wanted);
        instead = Fits(instead, row) ? instead : DType.F16;
        return (instead, string.Create(CultureInfo.InvariantCulture, $"rows of {row} elements are not whole blocks of {wanted} ({BlockFormats.Of(wanted).Elements}), so it is stored as {instead}"));
    }

    private DType Mix(string name, long row, IReadOnlyList<long> shape)
    {
        DType main = _type.Main;
        bool embedding = name is "token_embd.weight" or "per_layer_token_embd.weight";
        if (name == "output.weight" || (_tied && embedding))
            return main is DType.Q8_0 or DType.MXFP4 || !Fits(main, row) ? DType.Q8_0 : DType.Q6_K;
        if (main == DType.MXFP4)
            return shape.Count > 2 && shape[^3] > 1 ? DType.MXFP4 : DType.Q8_0;
        if (embedding)
            return main is DType.TQ1_0 or DType.TQ2_0 ? DType.Q4_K : main;
        if (IsAttentionValue(name))
            return AttentionValue(_valuesSeen++);
        if (name.Contains("attn_k.weight", StringComparison.Ordinal))
            return _experts == 8 ? DType.Q8_0 : main;
        if (name.Contains("attn_output.weight", StringComparison.Ordinal))
            return AttentionOutput();
        if (name.Contains("ffn_down", StringComparison.Ordinal))
        {
            int counted = _downsSeen++;
            return Down(_experts > 1 ? LayerOf(name) : counted);
        }
        return main;
    }

    private DType AttentionValue(int i)
    {
        DType type = _type.Name switch
        {
            "Q2_K" => _sharing >= 4 ? DType.Q4_K : DType.Q3_K,
            "Q3_K_M" => i < 2 ? DType.Q5_K : DType.Q4_K,
            "Q3_K_L" => DType.Q5_K,
            "IQ4_NL" or "IQ4_XS" when _sharing >= 4 => DType.Q5_K,
            "Q4_K_M" or "Q5_K_M" when NeedsMoreBits(i, _attentionValues) => DType.Q6_K,
            "Q4_K_S" when i < 4 => DType.Q5_K,
            _ => _type.Main,
        };
        if (_is70B && type is DType.Q3_K or DType.Q4_K)
            type = DType.Q5_K;
        return _experts == 8 ? DType.Q8_0 : type;
    }

    private DType AttentionOutput() => _type.Name switch
    {
        "Q2_K" or "Q3_K_S" or "Q3_K_M" or "IQ4_NL" or "IQ4_XS" or "Q4_K_S" or "Q4_K_M" when _experts == 8 => DType.Q5_K,
        "Q2_K" => DType.Q3_K,
        "Q3_K_M" => DType.Q4_K,
        "Q3_K_L" when _experts != 8 => DType.Q5_K,
        _ => _type.Main,
    };

    private DType Down(int layer) => _type.Name switch
    {
        "Q2_K" => DType.Q3_K,
        "Q3_K_M" => layer < _layers / 16 ? DType.Q5_K : DType.Q4_K,
        "Q3_K_L" => DType.Q5_K,
        "Q4_K_M" or "Q5_K_M" when NeedsMoreBits(layer, _layers) => DType.Q6_K,
        "IQ4_NL" or "IQ4_XS" or "Q4_K_S" when layer < _layers / 8 => DType.Q5_K,
        _ => _type.Main,
    };

    /// <summary>The first and last eighths of the layers, and every third between them.</summary>
    private static bool NeedsMoreBits(int layer, int layers) => layer < layers / 8 || layer >= 7 * layers / 8 || (layer - (layers / 8)) % 3 == 2;

    private static DType Narrower(DType type) => type switch
    {
        DType.Q4_K => DType.Q5_0,
        DType.Q5_K => DType.Q5_1,
        DType.Q6_K => DType.Q8_0,
        DType.IQ4_XS => DType.IQ4_NL,
        DType.Q2_K or DType.Q3_K or DType.TQ1_0 or DType.TQ2_0 => DType.Q4_0,
        _ => DType.F16,
    };

    private static bool Fits(DType type, long row) => !type.IsBlock() || row % BlockFormats.Of(type).Elements == 0;

    private static bool IsAttentionValue(string name) => name.Contains("attn_v.weight", StringComparison.Ordinal)
        || name.Contains("attn_qkv.weight", StringComparison.Ordinal) || name.Contains("attn_kv_b.weight", StringComparison.Ordinal);

    private static bool Names(TensorInfo tensor, string[] parts) => Array.Exists(parts, part => tensor.Name.Contains(part, StringComparison.Ordinal));

    /// <summary>The number of "blk.N.…"; −1 for tensors of no layer.</summary>
    private static int LayerOf(string name)
    {
        int end = name.StartsWith("blk.", StringComparison.Ordinal) ? name.IndexOf('.', 4) : -1;
        return end > 0 && int.TryParse(name.AsSpan(4, end - 4), NumberStyles.None, CultureInfo.InvariantCulture, out int layer) ? layer : -1;
    }

    /// <summary>A number, or the first one of a list with a number for each layer.</summary>
    private static long? First(GgufMetadata values, string key) => !values.Values.TryGetValue(key, out GgufValue? value) ? null
        : value.IsArray ? values.Integers(key) is { Length: > 0 } numbers ? numbers[0] : null : values.Integer(key);
}
