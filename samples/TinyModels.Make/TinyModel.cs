using System.Text.Encodings.Web;
using System.Text.Json;
using Marrow.Engine;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.Bpe;

namespace Marrow.TinyModels.Make;

/// <summary>The shape of the tiny model and the files of its Hugging Face folder.</summary>
internal static class TinyModel
{
    private const string End = "<|end|>", Pad = "<|pad|>";
    private const int Positions = 512;

    // Few merges: the skills are about letters, and a word in many short tokens shows more of them.
    private const int Vocabulary = 400;

    private static readonly JsonSerializerOptions s_readable = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private const string ChatTemplate =
        "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

    /// <summary>Learns the tokenizer from texts, writes its files into <paramref name="folder"/> and reads them back.</summary>
    public static ModelTokenizer WriteTokenizer(string folder, IEnumerable<string> texts)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.WriteText(Path.Combine(folder, "tokenizer.json"), BpeTrainer.Train(texts, Vocabulary, [Pad, End, "<|system|>", "<|user|>", "<|assistant|>"]));
        WriteJson(folder, "tokenizer_config.json", new
        {
            chat_template = ChatTemplate,
            clean_up_tokenization_spaces = false,
            eos_token = End,
            model_max_length = Positions,
            pad_token = Pad,
            tokenizer_class = "PreTrainedTokenizerFast",
        });
        return ModelTokenizer.Load(folder);
    }

    /// <summary>About 1.8 million parameters, 3.7 MB in bf16.</summary>
    public static RwkvConfig Rwkv7(ModelTokenizer tokenizer) => new()
    {
        ModelType = "rwkv7",
        Version = 7,
        VocabularySize = tokenizer.Tokenizer.VocabularySize,
        HiddenSize = 192,
        IntermediateSize = 640,
        LayerCount = 4,
        HeadSize = 32,
        DecayRank = 16,
        RateRank = 16,
        ValueRank = 8,
        GateRank = 32,
        MaxPositions = int.MaxValue,
        EosIds = [tokenizer.EosId!.Value],
        PadId = tokenizer.PadId,
    };

    /// <summary>About 1.7 million parameters, 3.4 MB in bf16.</summary>
    public static LlamaConfig Llama(ModelTokenizer tokenizer) => new()
    {
        ModelType = "llama",
        VocabularySize = tokenizer.Tokenizer.VocabularySize,
        HiddenSize = 192,
        IntermediateSize = 512,
        LayerCount = 4,
        HeadCount = 6,
        KeyValueHeadCount = 3,
        HeadDim = 32,
        MaxPositions = Positions,
        RmsNormEps = 1e-5,
        TiedEmbeddings = true,
        TorchDType = DType.BF16,
        EosIds = [tokenizer.EosId!.Value],
        PadId = tokenizer.PadId,
    };

    /// <summary>Writes config.json (an RWKV model needs none), generation_config.json and the weights, matrices in bf16.</summary>
    public static void WriteModel(string folder, CausalModel model)
    {
        if (model.Config is LlamaConfig llama)
            AtomicFile.WriteText(Path.Combine(folder, "config.json"), llama.ToJson());
        WriteJson(folder, "generation_config.json", new { do_sample = false, eos_token_id = model.Config.EosIds[0], max_new_tokens = 32, pad_token_id = model.Config.PadId });
        SafetensorsWriter.WriteModel(folder, model.Weights.Select(w => TensorToWrite.FromFloats(w.Name, Dimensions(w.Value.Shape), w.Value.ToArray(),
            model.Config is LlamaConfig || model.Config.IsMatrix(w.Name, Sizes(w.Value.Shape)) ? DType.BF16 : DType.F32)));
    }

    private static int[] Sizes(Shape shape) => [.. Enumerable.Range(0, shape.Rank).Select(i => shape[i])];

    private static long[] Dimensions(Shape shape) => [.. Enumerable.Range(0, shape.Rank).Select(i => (long)shape[i])];

    private static void WriteJson(string folder, string name, object value) =>
        AtomicFile.WriteText(Path.Combine(folder, name), JsonSerializer.Serialize(value, s_readable) + "\n");
}
