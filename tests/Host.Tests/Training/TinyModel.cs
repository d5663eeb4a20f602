using Marrow.Adapters.Merging;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;

namespace Marrow.Host.Tests.Training;

/// <summary>A random model of two layers and rows of token ids, small enough that a run takes a moment.</summary>
internal static class TinyModel
{
    public const int Vocabulary = 64;
    private const int Hidden = 32, Mlp = 48, Layers = 2;

    /// <summary>Writes the model's folder and returns its path.</summary>
    public static string Write(TemporaryFolder folder, string name = "model", int hidden = Hidden)
    {
        string path = folder[name];
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "config.json"), $$"""
            {"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":{{Vocabulary}},"hidden_size":{{hidden}},"intermediate_size":{{Mlp}},
             "num_hidden_layers":{{Layers}},"num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":64,"rms_norm_eps":1e-5,
             "rope_theta":10000.0,"tie_word_embeddings":true,"hidden_act":"silu","bos_token_id":1,"eos_token_id":2}
            """);
        var random = new Random(5);
        int head = hidden / 2;
        List<TensorToWrite> tensors = [Tensor("model.embed_tokens.weight", Vocabulary, hidden), Tensor("model.norm.weight", hidden)];
        for (int layer = 0; layer < Layers; layer++)
        {
            string at = $"model.layers.{layer}";
            tensors.AddRange([
                Tensor($"{at}.input_layernorm.weight", hidden), Tensor($"{at}.post_attention_layernorm.weight", hidden),
                Tensor($"{at}.self_attn.q_proj.weight", hidden, hidden), Tensor($"{at}.self_attn.k_proj.weight", head, hidden),
                Tensor($"{at}.self_attn.v_proj.weight", head, hidden), Tensor($"{at}.self_attn.o_proj.weight", hidden, hidden),
                Tensor($"{at}.mlp.gate_proj.weight", Mlp, hidden), Tensor($"{at}.mlp.up_proj.weight", Mlp, hidden), Tensor($"{at}.mlp.down_proj.weight", hidden, Mlp)]);
        }
        SafetensorsWriter.WriteModel(path, tensors);
        return path;

        TensorToWrite Tensor(string tensor, params long[] shape)
        {
            var values = new float[shape.Aggregate(1L, (n, d) => n * d)];
            for (int i = 0; i < values.Length; i++)
                values[i] = shape.Length == 1 ? 1 : (random.NextSingle() - 0.5f) * 0.4f;
            return TensorToWrite.FromFloats(tensor, shape, values);
        }
    }

    /// <summary>Writes a random LoRA of rank 4 and alpha 8 for every linear layer of the model as a PEFT folder, and returns its path.</summary>
    public static string WriteLora(TemporaryFolder folder, string name)
    {
        string path = folder[name];
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "adapter_config.json"), """{"peft_type":"LORA","task_type":"CAUSAL_LM","r":4,"lora_alpha":8,"target_modules":"all-linear"}""");
        var random = new Random(6);
        List<TensorToWrite> tensors = [];
        for (int layer = 0; layer < Layers; layer++)
            foreach ((string module, int outputs, int inputs) in new[]
            {
                ("self_attn.q_proj", Hidden, Hidden), ("self_attn.k_proj", Hidden / 2, Hidden), ("self_attn.v_proj", Hidden / 2, Hidden), ("self_attn.o_proj", Hidden, Hidden),
                ("mlp.gate_proj", Mlp, Hidden), ("mlp.up_proj", Mlp, Hidden), ("mlp.down_proj", Hidden, Mlp),
            })
            {
                Add($"{layer}.{module}.lora_A", 4, inputs);
                Add($"{layer}.{module}.lora_B", outputs, 4);
            }
        SafetensorsWriter.Write(Path.Combine(path, "adapter_model.safetensors"), tensors);
        return path;

        void Add(string tensor, int rows, int columns) => tensors.Add(TensorToWrite.FromFloats($"base_model.model.model.layers.{tensor}.weight", [rows, columns],
            Enumerable.Range(0, rows * columns).Select(_ => (random.NextSingle() - 0.5f) * 0.2f).ToArray()));
    }

    /// <summary>Writes a random RWKV model of version 6 or 7 with the same vocabulary, as a folder or, where the name ends so, as a .pth file, and returns its path.</summary>
    public static string WriteRwkv(TemporaryFolder folder, string name = "model", int version = 7, int layers = Layers)
    {
        using var device = new CpuDevice(1);
        using CausalModel model = ModelLoader.Create(device, new RwkvConfig
        {
            ModelType = $"rwkv{version}", Version = version, VocabularySize = Vocabulary, HiddenSize = Hidden, IntermediateSize = 2 * Hidden, LayerCount = layers, HeadSize = 8,
            DecayRank = 4, RateRank = 4, ValueRank = 4, GateRank = 4, MixRank = 4, MaxPositions = int.MaxValue,
        }, 5);
        // Much of a fresh model is zero, so that the recurrence would not show in its logits.
        ulong site = 0;
        foreach (Weight weight in model.Weights)
        {
            float[] values = weight.Value.ToArray(), noise = new float[values.Length];
            new SeededRandom(7, site++).FillNormal(noise, 0.2f);
            weight.Value.Upload<float>([.. values.Zip(noise, (v, n) => v + n)]);
        }
        ModelFolderWriter.Write(folder[name], model);
        return folder[name];
    }

    /// <summary>Writes <paramref name="count"/> rows that can be learned: each counts up by a step of its own.</summary>
    public static string WriteRows(TemporaryFolder folder, int count = 24, string name = "rows.jsonl") =>
        folder.Put(name, TrainingFiles.TokenRows(Enumerable.Range(0, count).Select(row =>
        {
            long[] ids = [.. Enumerable.Range(0, 6 + row % 5).Select(t => (long)((row * 7 + t * (1 + row % 3)) % Vocabulary))];
            return (ids, ids);
        })));

    /// <summary>Writes a job over the model and its rows.</summary>
    public static string WriteJob(TemporaryFolder folder, string run, string adapter = "method: bone, r: 4", string training = "max_steps: 10", string data = "", string device = "cpu", string? model = null) =>
        folder.Put($"{run}.yaml", $$"""
            schema: marrow/job/v1
            model: { path: '{{model ?? folder["model"]}}', device: {{device}} }
            adapter: { {{adapter}} }
            data: { train: '{{folder["rows.jsonl"]}}', format: tokens{{data}} }
            training: { batch_size: 3, learning_rate: 5e-3, {{training}} }
            output: { dir: '{{folder[run]}}' }
            """);
}
