using Marrow.Adapters.Merging;
using Marrow.Engine;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;

namespace Marrow.Host.Tests.LlamaCpp;

/// <summary>
/// Models of every family with random weights of ordinary sizes: rows of 256 and more, so that every block type fits, logits that differ, and the tokenizer
/// of the bundled models.
/// </summary>
internal static class SmallModel
{
    private const string Common = """
        "hidden_size": 256, "num_hidden_layers": 3, "intermediate_size": 512, "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 512,
        "vocab_size": 400, "bos_token_id": null, "eos_token_id": 396, "pad_token_id": 395, "torch_dtype": "float32"
        """;

    /// <summary>config.json of each family.</summary>
    private static readonly Dictionary<string, string> Configs = new()
    {
        ["llama"] = """{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false, """ + Common + " }",
        ["llama3"] = """{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": true, "rope_scaling": { "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64 }, """ + Common + " }",
        ["linear"] = """{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false, "rope_scaling": { "rope_type": "linear", "factor": 2.5 }, """ + Common + " }",
        ["yarn"] = """{ "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": false, "rope_scaling": { "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "attention_factor": 0.9 }, """ + Common + " }",
        ["mistral"] = """{ "architectures": ["MistralForCausalLM"], "model_type": "mistral", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false, "sliding_window": null, """ + Common + " }",
        ["qwen2"] = """{ "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": true, "use_sliding_window": false, """ + Common + " }",
        ["qwen3"] = """{ "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": false, "head_dim": 64, "attention_bias": false, """ + Common + " }",
        ["gemma2"] = """{ "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "head_dim": 64, "query_pre_attn_scalar": 64, "sliding_window": 9, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "hidden_activation": "gelu_pytorch_tanh", """ + Common + " }",
        ["gemma3"] = """{ "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "head_dim": 64, "query_pre_attn_scalar": 64, "sliding_window": 9, "sliding_window_pattern": 2, "rope_scaling": { "rope_type": "linear", "factor": 8.0 }, "hidden_activation": "gelu_pytorch_tanh", """ + Common + " }",
    };

    /// <summary>The families that there is a model of.</summary>
    public static IEnumerable<string> Families => [.. Configs.Keys, "rwkv6", "rwkv7"];

    /// <summary>Writes a model's folder.</summary>
    public static string Write(string folder, string family)
    {
        using var device = new CpuDevice();
        using CausalModel model = ModelLoader.Create(device, Config(folder, family), 7);
        ulong site = 1;
        foreach (Weight weight in model.Weights)
            Fill(weight, family, new SeededRandom(11, site++));
        ModelFolderWriter.Write(folder, model);
        foreach (string name in new[] { "tokenizer.json", "tokenizer_config.json", "generation_config.json" })
            File.Copy(Repository.PathOf("samples", "tiny-llama", name), Path.Combine(folder, name));
        return folder;
    }

    private static ModelConfig Config(string folder, string family)
    {
        if (Configs.TryGetValue(family, out string? json))
        {
            string path = folder + ".config.json";
            File.WriteAllText(path, json);
            return ModelConfigFile.Read(path);
        }
        return new RwkvConfig
        {
            ModelType = family, Version = family[^1] - '0', VocabularySize = 400, HiddenSize = 256, LayerCount = 3, HeadSize = 64, IntermediateSize = 1024, MaxPositions = int.MaxValue,
            DecayRank = 32, RateRank = 32, ValueRank = 32, GateRank = 64, MixRank = 32,
        };
    }

    // What starts at 0 or 1 would hide a tensor that is left out or misplaced.
    private static void Fill(Weight weight, string family, SeededRandom random)
    {
        float[] values = weight.Value.ToArray(), noise = new float[values.Length];
        bool matrix = weight.Value.Shape.Rank == 2;
        random.FillNormal(noise, matrix ? 1f / MathF.Sqrt(weight.Value.Shape.Last) : 0.1f);
        bool rwkv = family.StartsWith("rwkv", StringComparison.Ordinal);
        for (int i = 0; i < values.Length; i++)
            values[i] = matrix && !rwkv ? noise[i] : values[i] + noise[i] * (rwkv && matrix ? 0.5f : 1f);
        weight.Value.WriteFloats(values);
    }
}
