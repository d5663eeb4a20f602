using System.Text;
using Marrow.Formats.Rwkv;

namespace Marrow.Formats.HuggingFace;

/// <summary>Reads a config.json of any supported family.</summary>
public static class ModelConfigFile
{
    /// <summary>The configuration; that of an RWKV model has token ids only until <see cref="Complete"/> adds the sizes.</summary>
    /// <exception cref="ModelFileException">HF001 … HF011.</exception>
    public static ModelConfig Read(string path)
    {
        if (!File.Exists(path))
            throw new ModelFileException("HF001", path, "config.json is missing; give a folder that holds a Hugging Face model");
        byte[] utf8 = InputFile.ReadAll(path);
        JsonFields fields = JsonFields.Parse(path, utf8, "HF002", "HF006");
        string? type = fields.Text("model_type");
        if (!RwkvConfig.SupportedTypes.Contains(type))
            return LlamaConfig.Read(path);
        StoredQuantisation.Check(fields);
        return new RwkvConfig
        {
            ModelType = type!,
            Version = type == "rwkv7" ? 7 : 6,
            VocabularySize = Size(fields, "vocab_size"),
            HiddenSize = Size(fields, "hidden_size"),
            LayerCount = Size(fields, "num_hidden_layers"),
            HeadSize = 1,
            IntermediateSize = 1,
            DecayRank = 1,
            MaxPositions = int.MaxValue,
            RescaleEvery = type == "rwkv6" ? (int)(fields.Integer("rescale_every", 0, 1 << 20, "HF003") ?? 0) : 0,
            NormEps = fields.Positive("norm_eps", "HF003") ?? fields.Positive("layer_norm_epsilon", "HF003") ?? 1e-5,
            TorchDType = LlamaConfigReader.StoredType(fields, "dtype") ?? LlamaConfigReader.StoredType(fields, "torch_dtype"),
            BosId = LlamaConfigReader.Ids(fields, "bos_token_id") is [var bos, ..] ? bos : null,
            EosIds = LlamaConfigReader.Ids(fields, "eos_token_id"),
            PadId = LlamaConfigReader.Ids(fields, "pad_token_id") is [var pad, ..] ? pad : null,
            RawJson = StoredQuantisation.Without(Encoding.UTF8.GetString(utf8)),
        };
    }

    /// <summary>The sizes that the tensors have, with what config.json says beside them.</summary>
    /// <exception cref="ModelFileException">RW001 another version; RW002 sizes that contradict each other.</exception>
    public static RwkvConfig Complete(RwkvConfig said, ITensorSource tensors)
    {
        ArgumentNullException.ThrowIfNull(said);
        ArgumentNullException.ThrowIfNull(tensors);
        RwkvConfig found = RwkvConfig.Of(tensors);
        if (found.Version != said.Version)
            throw new ModelFileException("RW001", tensors.Path, $"holds an RWKV-{found.Version} model, config.json says {said.ModelType}; the files do not belong together");
        if ((found.VocabularySize, found.HiddenSize, found.LayerCount) != (said.VocabularySize, said.HiddenSize, said.LayerCount))
            throw new ModelFileException("RW002", tensors.Path, $"has {found.VocabularySize} tokens, {found.HiddenSize} channels and {found.LayerCount} blocks, config.json says "
                + $"{said.VocabularySize}, {said.HiddenSize} and {said.LayerCount}; the files do not belong together");
        return found with
        {
            NormEps = said.NormEps,
            // The Hugging Face layer of RWKV-7 scales the epsilon with the head; the others keep that of the original.
            HeadNormEps = found.Naming == RwkvNaming.Fla7 ? found.HeadSize * said.NormEps : found.HeadNormEps,
            RescaleEvery = said.RescaleEvery,
            TorchDType = said.TorchDType,
            BosId = said.BosId,
            EosIds = said.EosIds.Count > 0 ? said.EosIds : found.EosIds,
            PadId = said.PadId,
            RawJson = said.RawJson,
        };
    }

    private static int Size(JsonFields fields, string key) =>
        (int)(fields.Integer(key, 1, int.MaxValue, "HF003") ?? throw fields.Error("HF003", key, "is missing"));
}
