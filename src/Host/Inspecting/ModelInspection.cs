using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Tokenizers;
using Marrow.Host.Models;

namespace Marrow.Host.Inspecting;

/// <summary>Looks at a model's folder or an RWKV checkpoint: every part on its own, then whether they belong together.</summary>
internal static class ModelInspection
{
    private const int Named = 10;

    /// <summary>Looks at a folder.</summary>
    public static Inspection Of(string path, bool values, CancellationToken stopping)
    {
        string json = Path.Combine(path, "config.json");
        using ModelWeights? weights = Opened(path);
        bool bare = !File.Exists(json) && weights is not null && RwkvConfig.IsAnyVersion(weights.Tensors);
        var found = new Inspection(bare ? "RWKV model" : "Hugging Face model", path);
        ModelConfig? config = bare ? null : found.Try(() => ModelConfigFile.Read(json));
        string generation = Path.Combine(path, "generation_config.json");
        if (File.Exists(generation))
            found.Try(() => GenerationConfig.Read(generation));
        if (weights is null)
        {
            // Opening them again tells what is wrong; each file is then looked at alone.
            found.Try(() => ModelWeights.OfFolder(path));
            Describe(found, config);
            Tokenizer(found, path, config);
            FileInspection.AddEach(found, path, values, stopping);
            return found;
        }
        ModelWeights? official = found.Try(weights.Official);
        config = official is null ? null : Sizes(found, config, bare, official.Tensors);
        Describe(found, config);
        Tokenizer(found, path, config);
        Weights(found, weights, values, stopping);
        if (config is not null)
            Compare(found, official!.Tensors, config);
        return found;
    }

    /// <summary>Looks at the open weights of an RWKV checkpoint file; the tokenizer is looked for beside it.</summary>
    public static Inspection OfCheckpoint(string path, ModelWeights weights, bool values, CancellationToken stopping)
    {
        var found = new Inspection("RWKV model", path);
        ModelWeights? official = found.Try(weights.Official);
        ModelConfig? config = official is null ? null : Sizes(found, null, bare: true, official.Tensors);
        Describe(found, config);
        Tokenizer(found, Path.GetDirectoryName(Path.GetFullPath(path))!, config);
        Weights(found, weights, values, stopping);
        if (config is not null)
            Compare(found, official!.Tensors, config);
        return found;
    }

    /// <summary>Looks at a GGUF file: every problem of its layout, then what it says of a model, its tokenizer, and whether they belong together.</summary>
    public static Inspection OfGguf(string path, bool values, CancellationToken stopping)
    {
        IReadOnlyList<ModelFileException> problems = GgufFile.Examine(path);
        using GgufFile? file = problems.Count == 0 ? GgufFile.Open(path) : null;
        var found = new Inspection(file is { Tensors.Count: 0 } ? "GGUF vocabulary" : "GGUF model", path);
        found.Problems.AddRange(problems.Select(p => new InspectionProblem(p.Code, p.Message)));
        if (file is null)
            return found;
        GgufMetadata said = file.Values;
        if (said.Text("general.name") is { } name)
            found.Facts["name"] = name;
        if (said.Integer(GgufFileType.Key) is { } number)
            found.Facts["file type"] = GgufFileType.Of(number)?.Name ?? $"{number}, which is not known";
        if (file.Files.Count > 1)
            found.Facts["files"] = $"{file.Files.Count}, of which this is the first";
        ModelConfig? config = null;
        ITensorSource? official = null;
        string? warning = null;
        if (file.Tensors.Count > 0)
        {
            GgufArchitecture? architecture = found.Try(() => GgufArchitectures.Of(said));
            config = architecture is null ? null : found.Try(() => architecture.ReadConfig(file, said, out warning));
            official = config is null ? null : found.Try(() => architecture!.Official(file, config));
        }
        Describe(found, config);
        if (GgufTokenizer.IsPresent(said))
            Tokenizer(found, found.Try(() => GgufTokenizer.Read(said)), config);
        else
            found.Facts["tokenizer"] = "none";
        found.Warnings.AddRange(file.Warnings);
        if (warning is not null)
            found.Warnings.Add(warning);
        found.Add(file, values, stopping);
        if (official is not null)
            Compare(found, official, config!);
        return found;
    }

    // An RWKV model's sizes are those of its tensors.
    private static ModelConfig? Sizes(Inspection found, ModelConfig? config, bool bare, ITensorSource tensors) =>
        bare ? found.Try(() => RwkvConfig.Of(tensors)) : config is RwkvConfig said ? found.Try(() => ModelConfigFile.Complete(said, tensors)) : config;

    private static ModelWeights? Opened(string path)
    {
        try
        {
            return ModelWeights.OfFolder(path);
        }
        catch (MarrowException)
        {
            return null;
        }
    }

    private static void Describe(Inspection found, ModelConfig? config)
    {
        if (config is null)
            return;
        found.Facts["model type"] = config.ModelType;
        found.Facts["size"] = config.Describe();
        found.Facts["vocabulary"] = $"{config.VocabularySize} tokens{(config is LlamaConfig llama ? llama.TiedEmbeddings ? ", head tied to the embedding" : ", own head" : "")}";
        if (config.MaxPositions < int.MaxValue)
            found.Facts["positions"] = $"{config.MaxPositions}";
    }

    private static void Tokenizer(Inspection found, string path, ModelConfig? config)
    {
        if (!TokenizerFiles.Find(path).Present.Any())
        {
            found.Facts["tokenizer"] = "none";
            found.Warnings.Add("the folder has no tokenizer: only token ids (data.format tokens, --tokens) can be used with it");
            return;
        }
        Tokenizer(found, found.Try(() => ModelTokenizer.Load(path)), config);
    }

    private static void Tokenizer(Inspection found, ModelTokenizer? tokenizer, ModelConfig? config)
    {
        if (tokenizer is null)
            return;
        found.Warnings.AddRange(tokenizer.Warnings);
        int size = tokenizer.Tokenizer.VocabularySize;
        found.Facts["tokenizer"] = $"{size} tokens, ends at {(tokenizer.StopIds.Count == 0 ? "nothing" : string.Join(", ", tokenizer.StopIds))}";
        if (config is not null && size > config.VocabularySize)
            found.Warnings.Add($"the tokenizer has {size} tokens, the embedding {config.VocabularySize} rows; texts with the tokens beyond cannot be used");
        found.Facts["chat template"] = tokenizer.ChatTemplate is null ? "none" : "yes";
        if (tokenizer.ChatTemplate is { } template)
            found.Try(() => template.Render([new ChatMessage("user", "Hello"), new ChatMessage("assistant", "Hello")], addGenerationPrompt: false));
    }

    private static void Weights(Inspection found, ModelWeights weights, bool values, CancellationToken stopping)
    {
        found.Warnings.AddRange(weights.Warnings);
        found.Add(weights.Tensors, values, stopping);
    }

    /// <summary>Every tensor that the configuration asks for, against what is there.</summary>
    private static void Compare(Inspection found, ITensorSource weights, ModelConfig config)
    {
        ModelLayout layout = ModelLayout.Compare(weights, config);
        string[] problems = [.. layout.Missing, .. layout.Unreadable];
        found.Problems.AddRange(problems.Take(Named).Select(p => new InspectionProblem("MD002", p)));
        if (problems.Length > Named)
            found.Problems.Add(new InspectionProblem("MD002", $"and {problems.Length - Named} more tensors that are missing or of another shape"));
        if (layout.Left.Count > 0)
            found.Problems.Add(new InspectionProblem("MD001", $"{layout.Left.Count} tensors belong to no part of a {config.ModelType} model, among them {string.Join(", ", layout.Left.Take(5).Select(n => Echo.Name(n)))}"));
    }
}
