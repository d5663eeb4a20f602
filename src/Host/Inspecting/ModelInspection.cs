using Marrow.Engine;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tokenizers;
using Marrow.Host.Models;

namespace Marrow.Host.Inspecting;

/// <summary>Looks at a Hugging Face model folder: every part on its own, then whether they belong together.</summary>
internal static class ModelInspection
{
    private const int Named = 10;

    public static Inspection Of(string path, bool values, CancellationToken stopping)
    {
        var found = new Inspection("Hugging Face model", path);
        LlamaConfig? config = found.Try(() => LlamaConfig.Read(Path.Combine(path, "config.json")));
        if (config is not null)
            Describe(found, config);
        string generation = Path.Combine(path, "generation_config.json");
        if (File.Exists(generation))
            found.Try(() => GenerationConfig.Read(generation));
        Tokenizer(found, path, config);
        Weights(found, path, config, values, stopping);
        return found;
    }

    private static void Describe(Inspection found, LlamaConfig config)
    {
        found.Facts["model type"] = config.ModelType;
        found.Facts["size"] = config.Describe();
        found.Facts["vocabulary"] = $"{config.VocabularySize} tokens, {(config.TiedEmbeddings ? "head tied to the embedding" : "own head")}";
        found.Facts["positions"] = $"{config.MaxPositions}";
    }

    private static void Tokenizer(Inspection found, string path, LlamaConfig? config)
    {
        if (!TokenizerFiles.Find(path).Present.Any())
        {
            found.Facts["tokenizer"] = "none";
            found.Warnings.Add("the folder has no tokenizer: only token ids (data.format tokens, --tokens) can be used with it");
            return;
        }
        if (found.Try(() => ModelTokenizer.Load(path)) is not { } tokenizer)
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

    private static void Weights(Inspection found, string path, LlamaConfig? config, bool values, CancellationToken stopping)
    {
        using SafetensorsFolder? weights = found.Try(() => SafetensorsFolder.IsPresent(path) ? SafetensorsFolder.Open(path)
            : throw new ModelFileException("HF014", path, $"holds no weights: neither {SafetensorsFolder.SingleFile} nor {SafetensorsFolder.IndexFile}"));
        if (weights is null)
        {
            FileInspection.AddEach(found, path, values, stopping);
            return;
        }
        found.Warnings.AddRange(weights.Warnings);
        found.Add(weights, values, stopping);
        if (config is not null)
            Compare(found, weights, config);
    }

    /// <summary>Every tensor that the configuration asks for, against what is there.</summary>
    private static void Compare(Inspection found, SafetensorsFolder weights, LlamaConfig config)
    {
        Dictionary<string, Shape> wanted = Layout(config);
        List<string> problems = [];
        foreach ((string name, Shape shape) in wanted)
        {
            long[] sizes = [.. Enumerable.Range(0, shape.Rank).Select(i => (long)shape[i])];
            if (!weights.Tensors.TryGetValue(name, out TensorInfo? tensor))
                problems.Add($"tensor '{name}' [{string.Join(',', sizes)}] is missing");
            else if (!tensor.Shape.SequenceEqual(sizes))
                problems.Add($"tensor '{name}' has shape {tensor.ShapeText}, config.json asks for [{string.Join(',', sizes)}]");
            else if (!tensor.DType.IsFloat())
                problems.Add($"tensor '{name}' is stored as {tensor.DType}, not as floating-point numbers");
        }
        found.Problems.AddRange(problems.Take(Named).Select(p => new InspectionProblem("MD002", p)));
        if (problems.Count > Named)
            found.Problems.Add(new InspectionProblem("MD002", $"and {problems.Count - Named} more tensors that are missing or of another shape"));
        string[] left = [.. weights.Tensors.Keys.Where(n => !wanted.ContainsKey(n) && !config.IsDerived(n))];
        if (left.Length > 0)
            found.Problems.Add(new InspectionProblem("MD001", $"{left.Length} tensors belong to no part of a {config.ModelType} model, among them {string.Join(", ", left.Take(5).Select(n => Echo.Name(n)))}"));
    }

    /// <summary>Name and shape of every tensor, as the model itself asks for them.</summary>
    private static Dictionary<string, Shape> Layout(LlamaConfig config)
    {
        var wanted = new Dictionary<string, Shape>();
        using var device = new LayoutDevice();
        using var model = new Llama(device, config, (name, shape) =>
        {
            wanted[name] = shape;
            return new Tensor(device, shape);
        });
        return wanted;
    }
}
