using Marrow.Formats.Gguf;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>The numbers of tensors of each type in well-known models, as llama.cpp prints them when it loads their files.</summary>
public sealed class GgufTypePlanTests
{
    private sealed record Model(string Architecture, int Layers, int Heads, int KeyHeads, int Width, int Hidden, int Vocabulary = 32000, bool Tied = false, int Experts = 0, bool Biases = false);

    private static readonly Dictionary<string, Model> Models = new()
    {
        ["llama-2-7b"] = new("llama", 32, 32, 32, 4096, 11008),
        ["llama-2-70b"] = new("llama", 80, 64, 8, 8192, 28672),
        ["mistral-7b"] = new("llama", 32, 32, 8, 4096, 14336),
        ["mixtral-8x7b"] = new("llama", 32, 32, 8, 4096, 14336, Experts: 8),
        ["tinyllama"] = new("llama", 22, 32, 4, 2048, 5632),
        ["qwen2.5-0.5b"] = new("qwen2", 24, 14, 2, 896, 4864, 151936, Tied: true, Biases: true),
    };

    private static (GgufMetadata Values, List<TensorInfo> Tensors) Describe(Model model)
    {
        GgufMetadata values = new("test");
        values.Set("general.architecture", model.Architecture);
        values.Set($"{model.Architecture}.block_count", model.Layers);
        values.Set($"{model.Architecture}.attention.head_count", model.Heads);
        values.Set($"{model.Architecture}.attention.head_count_kv", model.KeyHeads);
        if (model.Experts > 0)
            values.Set($"{model.Architecture}.expert_count", model.Experts);
        long shared = model.Width / model.Heads * model.KeyHeads;
        List<TensorInfo> tensors = [Info("token_embd.weight", model.Vocabulary, model.Width), Info("output_norm.weight", model.Width)];
        if (!model.Tied)
            tensors.Add(Info("output.weight", model.Vocabulary, model.Width));
        for (int i = 0; i < model.Layers; i++)
        {
            tensors.AddRange(Info($"blk.{i}.attn_norm.weight", model.Width), Info($"blk.{i}.ffn_norm.weight", model.Width), Info($"blk.{i}.attn_q.weight", model.Width, model.Width),
                Info($"blk.{i}.attn_k.weight", shared, model.Width), Info($"blk.{i}.attn_v.weight", shared, model.Width), Info($"blk.{i}.attn_output.weight", model.Width, model.Width));
            if (model.Biases)
                tensors.AddRange(Info($"blk.{i}.attn_q.bias", model.Width), Info($"blk.{i}.attn_k.bias", shared), Info($"blk.{i}.attn_v.bias", shared));
            if (model.Experts > 0)
                tensors.AddRange(Info($"blk.{i}.ffn_gate_inp.weight", model.Experts, model.Width), Info($"blk.{i}.ffn_gate_exps.weight", model.Experts, model.Hidden, model.Width),
                    Info($"blk.{i}.ffn_up_exps.weight", model.Experts, model.Hidden, model.Width), Info($"blk.{i}.ffn_down_exps.weight", model.Experts, model.Width, model.Hidden));
            else
                tensors.AddRange(Info($"blk.{i}.ffn_gate.weight", model.Hidden, model.Width), Info($"blk.{i}.ffn_up.weight", model.Hidden, model.Width), Info($"blk.{i}.ffn_down.weight", model.Width, model.Hidden));
        }
        return (values, tensors);
    }

    private static TensorInfo Info(string name, params long[] shape) => new(name, DType.BF16, shape, 2 * shape.Aggregate(1L, (n, s) => n * s));

    private static GgufFileType Type(string name) => GgufFileType.All.Single(t => t.Name == name);

    [Theory]
    [InlineData("llama-2-7b", "F32", "F32 291")]
    [InlineData("llama-2-7b", "F16", "F16 226, F32 65")]
    [InlineData("llama-2-7b", "BF16", "BF16 226, F32 65")]
    [InlineData("llama-2-7b", "Q8_0", "F32 65, Q8_0 226")]
    [InlineData("llama-2-7b", "Q6_K", "F32 65, Q6_K 226")]
    [InlineData("llama-2-7b", "Q5_K_M", "F32 65, Q5_K 193, Q6_K 33")]
    [InlineData("llama-2-7b", "Q5_K_S", "F32 65, Q5_K 225, Q6_K 1")]
    [InlineData("llama-2-7b", "Q4_K_M", "F32 65, Q4_K 193, Q6_K 33")]
    [InlineData("llama-2-7b", "Q4_K_S", "F32 65, Q4_K 217, Q5_K 8, Q6_K 1")]
    [InlineData("llama-2-7b", "Q3_K_L", "F32 65, Q3_K 129, Q5_K 96, Q6_K 1")]
    [InlineData("llama-2-7b", "Q3_K_M", "F32 65, Q3_K 129, Q4_K 92, Q5_K 4, Q6_K 1")]
    [InlineData("llama-2-7b", "Q3_K_S", "F32 65, Q3_K 225, Q6_K 1")]
    [InlineData("llama-2-7b", "Q5_1", "F32 65, Q5_1 225, Q6_K 1")]
    [InlineData("llama-2-7b", "Q4_0", "F32 65, Q4_0 225, Q6_K 1")]
    [InlineData("llama-2-70b", "Q4_K_M", "F32 161, Q4_K 441, Q5_K 40, Q6_K 81")]
    [InlineData("mistral-7b", "Q2_K", "F32 65, Q2_K 129, Q3_K 64, Q4_K 32, Q6_K 1")]
    [InlineData("mistral-7b", "IQ4_XS", "F32 65, IQ4_XS 189, Q5_K 36, Q6_K 1")]
    [InlineData("mixtral-8x7b", "Q4_K_M", "F32 97, Q4_K 113, Q5_K 32, Q6_K 17, Q8_0 64")]
    [InlineData("tinyllama", "Q4_K_M", "F32 45, Q4_K 135, Q6_K 21")]
    [InlineData("qwen2.5-0.5b", "Q4_K_M", "F32 121, Q4_K 12, Q5_0 132, Q6_K 12, Q8_0 13")]
    public void Mixtures(string model, string type, string expected)
    {
        var (values, tensors) = Describe(Models[model]);
        var plan = GgufTypePlan.Of(Type(type), values, tensors);
        Assert.Equal(expected, string.Join(", ", plan.Values.GroupBy(t => t.Type.ToString()).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Key} {g.Count()}")));
    }

    [Fact]
    public void More_bits_go_to_the_first_the_last_and_every_third_layer()
    {
        var (values, tensors) = Describe(Models["tinyllama"]);
        var plan = GgufTypePlan.Of(Type("Q4_K_M"), values, tensors);
        foreach (string part in (string[])["attn_v", "ffn_down"])
            Assert.Equal([0, 1, 4, 7, 10, 13, 16, 19, 20, 21], Enumerable.Range(0, 22).Where(i => plan[$"blk.{i}.{part}.weight"].Type == DType.Q6_K));
        Assert.All(plan.Values, t => Assert.Null(t.Fallback));
    }

    [Fact]
    public void Rows_that_are_not_whole_blocks_get_another_type_and_are_told()
    {
        GgufMetadata values = new("test");
        values.Set("general.architecture", "llama");
        List<TensorInfo> tensors = [Info("token_embd.weight", 10, 40), Info("output.weight", 10, 96), Info("blk.0.attn_q.weight", 4, 96), Info("blk.0.ffn_up.weight", 4, 20), Info("blk.0.attn_k.weight", 4, 256)];
        (DType, bool)[] Plan(string type) => [.. tensors.Select(t => GgufTypePlan.Of(Type(type), values, tensors)[t.Name]).Select(t => (t.Type, t.Fallback is null))];
        Assert.Equal([(DType.F16, false), (DType.Q8_0, true), (DType.Q5_0, false), (DType.F16, false), (DType.Q4_K, true)], Plan("Q4_K_S"));
        Assert.Equal([(DType.F16, false), (DType.Q8_0, true), (DType.Q8_0, false), (DType.F16, false), (DType.Q6_K, true)], Plan("Q6_K"));
        Assert.Equal([(DType.F16, false), (DType.Q8_0, true), (DType.Q8_0, true), (DType.F16, false), (DType.Q8_0, true)], Plan("Q8_0"));
        string? told = GgufTypePlan.Of(Type("Q4_K_S"), values, tensors)["blk.0.attn_q.weight"].Fallback;
        Assert.Equal("rows of 96 elements are not whole blocks of Q4_K (256), so it is stored as Q5_0", told);
    }

    [Fact]
    public void Small_matrices_of_RWKV_stay_floats()
    {
        GgufMetadata values = new("test");
        values.Set("general.architecture", "rwkv7");
        List<TensorInfo> tensors =
        [
            Info("blk.0.time_mix_w1.weight", 64, 256), Info("blk.0.time_mix_a1.weight", 64, 256), Info("blk.0.time_mix_lerp_fused.weight", 6, 1, 1, 256), Info("blk.0.time_mix_key.weight", 256, 256),
            Info("blk.0.channel_mix_value.weight", 256, 1024), Info("blk.0.time_mix_r_k.weight", 256), Info("blk.0.time_mix_ln.weight", 1, 1, 256), Info("blk.0.time_mix_ln.bias", 256),
            new("ids", DType.I32, [4, 256], 4096),
        ];
        Assert.Equal([DType.F32, DType.BF16, DType.F32, DType.Q4_K, DType.Q4_K, DType.F32, DType.F32, DType.F32, DType.I32], tensors.Select(t => GgufTypePlan.Of(Type("Q4_K_M"), values, tensors)[t.Name].Type));
        Assert.Equal([DType.F32, DType.F16, DType.F32, DType.F16, DType.F16, DType.F32, DType.F32, DType.F32, DType.I32], tensors.Select(t => GgufTypePlan.Of(Type("F16"), values, tensors)[t.Name].Type));
    }

    [Fact]
    public void Types_are_found_by_name_and_number()
    {
        Assert.Equal("Q8_0", GgufFileType.Parse("q8_0").Name);
        Assert.Equal("Q4_K_M", GgufFileType.Of(15 + 1024)?.Name);
        Assert.Null(GgufFileType.Of(4));
        Assert.Equal(GgufFileType.All.Count, GgufFileType.All.Select(t => t.Number).Distinct().Count());
        MarrowException unknown = Assert.Throws<MarrowException>(() => GgufFileType.Parse("Q8_00"));
        Assert.Equal("GG025", unknown.Code);
        Assert.Contains("did you mean 'Q8_0'", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("choose among F32, F16, BF16, Q8_0", Assert.Throws<MarrowException>(() => GgufFileType.Parse("zzzzzz")).Message, StringComparison.Ordinal);
        Assert.Equal("GG026", Assert.Throws<MarrowException>(() => GgufFileType.Parse("iq2_xs")).Code);
        Assert.Equal("GG026", Assert.Throws<MarrowException>(() => GgufTypePlan.Of(Type("Q2_K_S"), new GgufMetadata("t"), [])).Code);
    }
}
