using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.HuggingFace;

/// <summary>Writes a <see cref="LlamaConfig"/> in the keys that Hugging Face tools read, keys in alphabetical order.</summary>
internal static class LlamaConfigWriter
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n" };

    public static string Write(LlamaConfig config)
    {
        config = config with { ModelType = TypeOf(config) };
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Indented))
        {
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue(Architecture(config.ModelType));
            json.WriteEndArray();
            bool gemma = config.ModelType is "gemma2" or "gemma3_text";
            if (gemma || config.ModelType is "llama" or "qwen3")
                json.WriteBoolean("attention_bias", config.OutputBias);
            json.WriteNumber("attention_dropout", 0);
            if (gemma)
                WriteReal(json, "attn_logit_softcapping", config.AttentionSoftCap);
            WriteId(json, "bos_token_id", config.BosId);
            WriteEos(json, config.EosIds);
            if (gemma)
                WriteReal(json, "final_logit_softcapping", config.FinalSoftCap);
            json.WriteNumber("head_dim", config.HeadDim);
            json.WriteString(gemma ? "hidden_activation" : "hidden_act", gemma ? "gelu_pytorch_tanh" : "silu");
            json.WriteNumber("hidden_size", config.HiddenSize);
            json.WriteNumber("initializer_range", 0.02);
            json.WriteNumber("intermediate_size", config.IntermediateSize);
            WriteWindows(json, config);
            json.WriteNumber("max_position_embeddings", config.MaxPositions);
            if (config.ModelType == "llama")
                json.WriteBoolean("mlp_bias", config.MlpBias);
            json.WriteString("model_type", config.ModelType);
            json.WriteNumber("num_attention_heads", config.HeadCount);
            json.WriteNumber("num_hidden_layers", config.LayerCount);
            json.WriteNumber("num_key_value_heads", config.KeyValueHeadCount);
            WriteId(json, "pad_token_id", config.PadId);
            if (gemma)
                WriteReal(json, "query_pre_attn_scalar", config.QueryPreAttentionScalar ?? config.HeadDim);
            WriteReal(json, "rms_norm_eps", config.RmsNormEps);
            if (config.LocalRopeTheta is { } local)
                WriteReal(json, "rope_local_base_freq", local);
            WriteScaling(json, config.RopeScaling);
            WriteReal(json, "rope_theta", config.RopeTheta);
            json.WriteBoolean("tie_word_embeddings", config.TiedEmbeddings);
            if (config.TorchDType is { } type)
                json.WriteString("torch_dtype", TypeName(type));
            json.WriteBoolean("use_cache", true);
            json.WriteNumber("vocab_size", config.VocabularySize);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    // Hugging Face's llama has its biases of q, k, v and the output together, its qwen2 those of q, k and v always; the models are the same otherwise.
    private static string TypeOf(LlamaConfig config) => config switch
    {
        { ModelType: "llama", QueryKeyValueBias: true, OutputBias: false, MlpBias: false } => "qwen2",
        { ModelType: "qwen2", QueryKeyValueBias: false } when config.Windows.All(w => w is null) => "llama",
        _ => config.ModelType,
    };

    private static string Architecture(string modelType) => modelType switch
    {
        "llama" => "LlamaForCausalLM",
        "mistral" => "MistralForCausalLM",
        "qwen2" => "Qwen2ForCausalLM",
        "gemma2" => "Gemma2ForCausalLM",
        "gemma3_text" => "Gemma3ForCausalLM",
        _ => "Qwen3ForCausalLM",
    };

    private static string TypeName(DType type) => type switch
    {
        DType.BF16 => "bfloat16",
        DType.F16 => "float16",
        DType.F64 => "float64",
        _ => "float32",
    };

    private static void WriteId(Utf8JsonWriter json, string key, int? id)
    {
        if (id is { } number)
            json.WriteNumber(key, number);
        else
            json.WriteNull(key);
    }

    private static void WriteEos(Utf8JsonWriter json, IReadOnlyList<int> ids)
    {
        if (ids.Count < 2)
        {
            WriteId(json, "eos_token_id", ids is [var only] ? only : null);
            return;
        }
        json.WriteStartArray("eos_token_id");
        foreach (int id in ids)
            json.WriteNumberValue(id);
        json.WriteEndArray();
    }

    private static void WriteWindows(Utf8JsonWriter json, LlamaConfig config)
    {
        if (config.ModelType == "llama")
            return;
        int? window = config.Windows.FirstOrDefault(w => w is not null);
        if (config.ModelType != "mistral")
        {
            json.WriteStartArray("layer_types");
            for (int layer = 0; layer < config.LayerCount; layer++)
                json.WriteStringValue(config.Window(layer) is null ? "full_attention" : "sliding_attention");
            json.WriteEndArray();
        }
        if (config.ModelType is "qwen2" or "qwen3")
        {
            json.WriteBoolean("use_sliding_window", window is not null);
            // Readers older than layer_types go by the first layer that slides.
            int first = config.Windows.TakeWhile(w => w is null).Count();
            json.WriteNumber("max_window_layers", window is null ? config.LayerCount : first);
        }
        WriteId(json, "sliding_window", window);
    }

    private static void WriteScaling(Utf8JsonWriter json, RopeScaling? scaling)
    {
        if (scaling is null)
        {
            json.WriteNull("rope_scaling");
            return;
        }
        json.WriteStartObject("rope_scaling");
        json.WriteString("rope_type", scaling.TypeName);
        switch (scaling)
        {
            case RopeScaling.Linear linear:
                WriteReal(json, "factor", linear.Factor);
                break;
            case RopeScaling.Dynamic dynamic:
                WriteReal(json, "factor", dynamic.Factor);
                json.WriteNumber("original_max_position_embeddings", dynamic.OriginalMaxPositions);
                break;
            case RopeScaling.Llama3 llama3:
                WriteReal(json, "factor", llama3.Factor);
                WriteReal(json, "low_freq_factor", llama3.LowFreqFactor);
                WriteReal(json, "high_freq_factor", llama3.HighFreqFactor);
                json.WriteNumber("original_max_position_embeddings", llama3.OriginalMaxPositions);
                break;
            case RopeScaling.Yarn yarn:
                WriteReal(json, "factor", yarn.Factor);
                json.WriteNumber("original_max_position_embeddings", yarn.OriginalMaxPositions);
                WriteReal(json, "beta_fast", yarn.BetaFast);
                WriteReal(json, "beta_slow", yarn.BetaSlow);
                WriteReal(json, "attention_factor", yarn.AttentionFactor);
                json.WriteBoolean("truncate", yarn.Truncate);
                break;
        }
        json.WriteEndObject();
    }

    // Readers that check types take 10000 for an integer, so a real number keeps its point.
    private static void WriteReal(Utf8JsonWriter json, string key, double? value)
    {
        if (value is not { } number)
        {
            json.WriteNull(key);
            return;
        }
        string text = number.ToString("R", CultureInfo.InvariantCulture);
        json.WritePropertyName(key);
        json.WriteRawValue(text.AsSpan().IndexOfAny(".E") < 0 ? text + ".0" : text);
    }
}
