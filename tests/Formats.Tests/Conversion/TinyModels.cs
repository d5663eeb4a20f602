using System.Runtime.InteropServices;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.Conversion;

/// <summary>Random models of random, odd sizes: the values are nonsense, names and shapes are a real model's.</summary>
internal static class TinyModels
{
    /// <summary>Writes a Hugging Face folder.</summary>
    public static LlamaConfig Llama(string folder, int seed, DType type, string modelType = "llama", bool? tied = null, long maxShardBytes = SafetensorsWriter.UsualShardBytes, int multiple = 1)
    {
        var random = new Random(seed);
        // Rows of whole blocks make larger models: few and small layers then.
        int most = multiple > 100 ? 2 : 15, kv = random.Next(1, 3), dim = 2 * random.Next(1, 4) * Math.Min(multiple, 64);
        LlamaConfig config = new()
        {
            ModelType = modelType,
            VocabularySize = random.Next(5, 30),
            HiddenSize = random.Next(Math.Min(3, most - 1), most) * multiple,
            IntermediateSize = random.Next(Math.Min(3, most - 1), most) * multiple,
            LayerCount = random.Next(1, Math.Min(13, 2 * most)),
            KeyValueHeadCount = kv,
            HeadCount = kv * random.Next(1, 3),
            HeadDim = dim,
            MaxPositions = 64,
            QueryKeyValueBias = modelType == "qwen2",
            QueryKeyNorm = modelType == "qwen3",
            TiedEmbeddings = tied ?? random.Next(2) == 0,
            TorchDType = type,
            BosId = 1,
            EosIds = [2],
        };
        AtomicFile.WriteText(Path.Combine(folder, "config.json"), config.ToJson());
        using MemoryTensors tensors = Random(random, type, LlamaShapes(config));
        SafetensorsWriter.WriteModel(folder, tensors.Tensors.Keys.Select(n => TensorToWrite.Copy(tensors, n)), maxShardBytes);
        return config;
    }

    /// <summary>The tensors of an RWKV-7 or RWKV-6 model under official names.</summary>
    public static MemoryTensors Rwkv(int version, int seed, DType type, int multiple = 1, int vocabulary = 9)
    {
        var random = new Random(seed);
        int n = 2 * random.Next(1, 5) * multiple, heads = random.Next(2, 4);
        return Random(random, type, version == 7 ? Rwkv7Shapes(random, heads, n, vocabulary) : Rwkv6Shapes(random, heads, n, vocabulary));
    }

    private static IEnumerable<(string, long[])> LlamaShapes(LlamaConfig config)
    {
        long c = config.HiddenSize, f = config.IntermediateSize, q = (long)config.HeadCount * config.HeadDim, kv = (long)config.KeyValueHeadCount * config.HeadDim;
        yield return ("model.embed_tokens.weight", [config.VocabularySize, c]);
        for (int i = 0; i < config.LayerCount; i++)
        {
            string at = $"model.layers.{i}.";
            yield return (at + "input_layernorm.weight", [c]);
            yield return (at + "post_attention_layernorm.weight", [c]);
            yield return (at + "self_attn.q_proj.weight", [q, c]);
            yield return (at + "self_attn.k_proj.weight", [kv, c]);
            yield return (at + "self_attn.v_proj.weight", [kv, c]);
            yield return (at + "self_attn.o_proj.weight", [c, q]);
            if (config.QueryKeyValueBias)
            {
                yield return (at + "self_attn.q_proj.bias", [q]);
                yield return (at + "self_attn.k_proj.bias", [kv]);
                yield return (at + "self_attn.v_proj.bias", [kv]);
            }
            if (config.QueryKeyNorm)
            {
                yield return (at + "self_attn.q_norm.weight", [config.HeadDim]);
                yield return (at + "self_attn.k_norm.weight", [config.HeadDim]);
            }
            yield return (at + "mlp.gate_proj.weight", [f, c]);
            yield return (at + "mlp.up_proj.weight", [f, c]);
            yield return (at + "mlp.down_proj.weight", [c, f]);
        }
        yield return ("model.norm.weight", [c]);
        if (!config.TiedEmbeddings)
            yield return ("lm_head.weight", [config.VocabularySize, c]);
    }

    private static IEnumerable<(string, long[])> Rwkv7Shapes(Random random, long h, long n, long v)
    {
        long c = h * n, dw = random.Next(2, 5), da = random.Next(2, 5), dv = random.Next(2, 5), dg = random.Next(2, 5);
        int layers = random.Next(1, 12);
        yield return ("emb.weight", [v, c]);
        for (int i = 0; i < layers; i++)
        {
            string at = $"blocks.{i}.";
            foreach (string norm in i == 0 ? new[] { "ln0", "ln1", "ln2", "att.ln_x" } : ["ln1", "ln2", "att.ln_x"])
            {
                yield return ($"{at}{norm}.weight", [c]);
                yield return ($"{at}{norm}.bias", [c]);
            }
            foreach (string vector in new[] { "x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "k_k", "k_a" })
                yield return ($"{at}att.{vector}", [1, 1, c]);
            foreach ((string path, long d) in new[] { ("w", dw), ("a", da), ("g", dg) })
            {
                yield return ($"{at}att.{path}1", [c, d]);
                yield return ($"{at}att.{path}2", [d, c]);
            }
            if (i > 0)
            {
                yield return ($"{at}att.v0", [1, 1, c]);
                yield return ($"{at}att.v1", [c, dv]);
                yield return ($"{at}att.v2", [dv, c]);
            }
            yield return ($"{at}att.r_k", [h, n]);
            foreach (string matrix in new[] { "receptance", "key", "value", "output" })
                yield return ($"{at}att.{matrix}.weight", [c, c]);
            yield return ($"{at}ffn.x_k", [1, 1, c]);
            yield return ($"{at}ffn.key.weight", [4 * c, c]);
            yield return ($"{at}ffn.value.weight", [c, 4 * c]);
        }
        yield return ("ln_out.weight", [c]);
        yield return ("ln_out.bias", [c]);
        yield return ("head.weight", [v, c]);
    }

    private static IEnumerable<(string, long[])> Rwkv6Shapes(Random random, long h, long n, long v)
    {
        long c = h * n, f = random.Next(5, 30) * 2, d = random.Next(2, 5), dw = random.Next(2, 5);
        int layers = random.Next(1, 12);
        yield return ("emb.weight", [v, c]);
        for (int i = 0; i < layers; i++)
        {
            string at = $"blocks.{i}.";
            foreach (string norm in i == 0 ? new[] { "ln0", "ln1", "ln2", "att.ln_x" } : ["ln1", "ln2", "att.ln_x"])
            {
                yield return ($"{at}{norm}.weight", [c]);
                yield return ($"{at}{norm}.bias", [c]);
            }
            foreach (string vector in new[] { "time_maa_x", "time_maa_w", "time_maa_k", "time_maa_v", "time_maa_r", "time_maa_g", "time_decay" })
                yield return ($"{at}att.{vector}", [1, 1, c]);
            yield return ($"{at}att.time_maa_w1", [c, 5 * d]);
            yield return ($"{at}att.time_maa_w2", [5, d, c]);
            yield return ($"{at}att.time_decay_w1", [c, dw]);
            yield return ($"{at}att.time_decay_w2", [dw, c]);
            yield return ($"{at}att.time_faaaa", [h, n]);
            foreach (string matrix in new[] { "receptance", "key", "value", "gate", "output" })
                yield return ($"{at}att.{matrix}.weight", [c, c]);
            yield return ($"{at}ffn.time_maa_k", [1, 1, c]);
            yield return ($"{at}ffn.time_maa_r", [1, 1, c]);
            yield return ($"{at}ffn.key.weight", [f, c]);
            yield return ($"{at}ffn.value.weight", [c, f]);
            yield return ($"{at}ffn.receptance.weight", [c, c]);
        }
        yield return ("ln_out.weight", [c]);
        yield return ("ln_out.bias", [c]);
        yield return ("head.weight", [v, c]);
    }

    private static MemoryTensors Random(Random random, DType type, IEnumerable<(string Name, long[] Shape)> shapes)
    {
        var made = new MemoryTensors();
        foreach ((string name, long[] shape) in shapes)
        {
            var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
            for (int i = 0; i < values.Length; i++)
                values[i] = (float)(random.NextDouble() * 2 - 1);
            byte[] bytes = new byte[type.Bytes(values.Length)];
            StoredElements.FromFloats(type, values, bytes);
            made.Add(name, type, shape, bytes);
        }
        return made;
    }

    /// <summary>fp32 values as bytes.</summary>
    public static byte[] Bytes(params float[] values) => MemoryMarshal.AsBytes<float>(values).ToArray();
}
