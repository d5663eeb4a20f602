using System.Runtime.InteropServices;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Configurations and random official tensors of small models of every architecture.</summary>
internal static class TinyModels
{
    public static readonly string[] Families = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"];

    public static LlamaConfig Config(string type, int heads = 4, int keyHeads = 2, int headDim = 8, int hidden = 32, int layers = 3)
    {
        bool gemma = type.StartsWith("gemma", StringComparison.Ordinal);
        return new LlamaConfig
        {
            ModelType = type, VocabularySize = 24, HiddenSize = hidden, IntermediateSize = 40, LayerCount = layers, HeadCount = heads, KeyValueHeadCount = keyHeads, HeadDim = headDim,
            MaxPositions = 256, RmsNormEps = 1e-6, RopeTheta = 500_000, TiedEmbeddings = gemma || type == "qwen2", QueryKeyValueBias = type == "qwen2",
            QueryKeyNorm = type is "qwen3" or "gemma3_text", NormOffset = gemma ? 1 : 0, OutputNorms = gemma, GeluGate = gemma, ScaledEmbedding = gemma, TorchDType = DType.F32,
            QueryPreAttentionScalar = gemma ? headDim : null, AttentionSoftCap = type == "gemma2" ? 50 : null, FinalSoftCap = type == "gemma2" ? 30 : null,
            LocalRopeTheta = type == "gemma3_text" ? 10_000 : null,
            Windows = type switch { "mistral" => [7, 7, 7], "gemma2" => [5, null, 5], "gemma3_text" => [5, 5, 5], _ => [] },
        };
    }

    /// <summary>Every official tensor of a Llama-family model; matrices of another type than F32 where one is given.</summary>
    public static MemoryTensors Official(LlamaConfig config, DType matrices = DType.F32)
    {
        var made = new MemoryTensors();
        int c = config.HiddenSize, f = config.IntermediateSize, q = config.HeadCount * config.HeadDim, k = config.KeyValueHeadCount * config.HeadDim;
        Matrix("model.embed_tokens", config.VocabularySize, c, false);
        for (int l = 0; l < config.LayerCount; l++)
        {
            string layer = $"model.layers.{l}.";
            Matrix(layer + "self_attn.q_proj", q, c, config.QueryKeyValueBias);
            Matrix(layer + "self_attn.k_proj", k, c, config.QueryKeyValueBias);
            Matrix(layer + "self_attn.v_proj", k, c, config.QueryKeyValueBias);
            Matrix(layer + "self_attn.o_proj", c, q, config.OutputBias);
            Matrix(layer + "mlp.gate_proj", f, c, config.MlpBias);
            Matrix(layer + "mlp.up_proj", f, c, config.MlpBias);
            Matrix(layer + "mlp.down_proj", c, f, config.MlpBias);
            Norm(layer + "input_layernorm", c);
            Norm(layer + "post_attention_layernorm", c);
            if (config.OutputNorms)
            {
                Norm(layer + "pre_feedforward_layernorm", c);
                Norm(layer + "post_feedforward_layernorm", c);
            }
            if (config.QueryKeyNorm)
            {
                Norm(layer + "self_attn.q_norm", config.HeadDim);
                Norm(layer + "self_attn.k_norm", config.HeadDim);
            }
        }
        Norm("model.norm", c);
        if (!config.TiedEmbeddings)
            Matrix("lm_head", config.VocabularySize, c, false);
        return made;

        void Matrix(string name, int rows, int columns, bool bias)
        {
            Add(made, name + ".weight", columns % Math.Max(1, matrices.IsBlock() ? BlockFormats.Of(matrices).Elements : 1) == 0 ? matrices : DType.F32, rows, columns);
            if (bias)
                Add(made, name + ".bias", DType.F32, rows);
        }

        void Norm(string name, int channels) => Add(made, name + ".weight", DType.F32, channels);
    }

    /// <summary>Every official tensor of an RWKV model.</summary>
    public static MemoryTensors OfficialRwkv(int version, DType matrices = DType.F32, int channels = 32, int heads = 4, int layers = 3, int? ranks = null)
    {
        var made = new MemoryTensors();
        int c = channels, f = 2 * c;
        Add(made, "emb.weight", matrices, 7, c);
        Affine("blocks.0.ln0");
        for (int l = 0; l < layers; l++)
        {
            string att = $"blocks.{l}.att.", ffn = $"blocks.{l}.ffn.";
            Affine($"blocks.{l}.ln1");
            Affine($"blocks.{l}.ln2");
            Affine(att + "ln_x");
            foreach (string name in (string[])["receptance", "key", "value", "output"])
                Add(made, $"{att}{name}.weight", matrices, c, c);
            Add(made, ffn + "key.weight", matrices, f, c);
            Add(made, ffn + "value.weight", matrices, c, f);
            if (version == 7)
            {
                foreach (char x in "rwkvag")
                    Add(made, $"{att}x_{x}", DType.F32, 1, 1, c);
                foreach (var (x, rank) in ((char, int)[])[('w', 4), ('a', 6), ('v', 3), ('g', 5)])
                {
                    if (x == 'v' && l == 0)
                        continue;
                    if (x != 'g')
                        Add(made, $"{att}{x}0", DType.F32, 1, 1, c);
                    Add(made, $"{att}{x}1", DType.F32, c, ranks ?? rank);
                    Add(made, $"{att}{x}2", DType.F32, ranks ?? rank, c);
                }
                Add(made, att + "k_k", DType.F32, 1, 1, c);
                Add(made, att + "k_a", DType.F32, 1, 1, c);
                Add(made, att + "r_k", DType.F32, heads, c / heads);
                Add(made, ffn + "x_k", DType.F32, 1, 1, c);
                continue;
            }
            foreach (char x in "xwkvrg")
                Add(made, $"{att}time_maa_{x}", DType.F32, 1, 1, c);
            Add(made, att + "time_maa_w1", DType.F32, c, 5 * (ranks ?? 3));
            Add(made, att + "time_maa_w2", DType.F32, 5, ranks ?? 3, c);
            Add(made, att + "time_decay", DType.F32, 1, 1, c);
            Add(made, att + "time_decay_w1", DType.F32, c, ranks ?? 6);
            Add(made, att + "time_decay_w2", DType.F32, ranks ?? 6, c);
            Add(made, att + "time_faaaa", DType.F32, heads, c / heads);
            Add(made, att + "gate.weight", matrices, c, c);
            Add(made, ffn + "time_maa_k", DType.F32, 1, 1, c);
            Add(made, ffn + "time_maa_r", DType.F32, 1, 1, c);
            Add(made, ffn + "receptance.weight", matrices, c, c);
        }
        Affine("ln_out");
        Add(made, "head.weight", matrices, 7, c);
        return made;

        void Affine(string name)
        {
            Add(made, name + ".weight", DType.F32, c);
            Add(made, name + ".bias", DType.F32, c);
        }
    }

    /// <summary>Random values k/256 in −2 … 2, to which 1 can be added and 2 be multiplied exactly, or random blocks with harmless scales.</summary>
    public static void Add(MemoryTensors tensors, string name, DType type, params long[] shape)
    {
        var random = new Random(tensors.Tensors.Count);
        float[] values = new float[shape.Aggregate(1L, (n, d) => n * d)];
        foreach (ref float value in values.AsSpan())
            value = random.Next(-512, 512) / 256f;
        byte[] bytes = new byte[type.Bytes(values.Length)];
        if (type.IsBlock())
            BlockFormats.Of(type).Encode!(values, bytes);
        else if (type == DType.BF16)
            BFloat16.Narrow(values, MemoryMarshal.Cast<byte, BFloat16>(bytes.AsSpan()));
        else
            MemoryMarshal.AsBytes(values.AsSpan()).CopyTo(bytes);
        tensors.Add(name, type, shape, bytes);
    }

    /// <summary>Writes a model as GGUF and opens it again, as official tensors.</summary>
    public static (ModelConfig Config, ITensorSource Official, GgufFile File) ThroughFile(string path, ITensorSource official, ModelConfig config)
    {
        GgufArchitecture architecture = GgufArchitectures.For(config);
        var values = new GgufMetadata(path);
        architecture.Describe(config, values);
        using (ITensorSource stored = architecture.ToGguf(official, config))
            GgufWriter.Write(path, values, [.. stored.Tensors.Keys.Select(n => TensorToWrite.Copy(stored, n))]);
        GgufFile file = GgufFile.Open(path);
        Assert.Same(architecture, GgufArchitectures.Of(file.Values));
        ModelConfig read = architecture.ReadConfig(file, file.Values);
        return (read, architecture.Official(file, read), file);
    }

    /// <summary>The same names, shapes, types and bytes, whatever the order.</summary>
    public static void AssertSame(ITensorSource expected, ITensorSource actual)
    {
        Assert.Equal(expected.Tensors.Keys.Order(StringComparer.Ordinal), actual.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (TensorInfo info in expected.Tensors.Values)
        {
            TensorInfo other = actual.Tensors[info.Name];
            Assert.Equal($"{info.Name} {info.DType} {info.ShapeText} {info.ByteLength}", $"{other.Name} {other.DType} {other.ShapeText} {other.ByteLength}");
            Assert.Equal(Bytes(expected, info.Name), Bytes(actual, info.Name));
        }
    }

    public static byte[] Bytes(ITensorSource source, string name)
    {
        byte[] bytes = new byte[source.Tensors[name].ByteLength];
        source.Read(name, 0, bytes);
        return bytes;
    }
}
