using Marrow.Adapters.Targets;
using Marrow.Formats;

namespace Marrow.Adapters.Peft;

/// <summary>An adapter_config.json and the tensors beside it, while they are being understood.</summary>
public sealed class PeftDocument
{
    private readonly ITensorSource _tensors;

    internal PeftDocument(JsonFields json, ITensorSource tensors)
    {
        (Json, _tensors) = (json, tensors);
        PeftType = json.Text("peft_type") ?? throw json.Error("PF004", "peft_type", "is missing; is this the configuration of an adapter?");
    }

    /// <summary>The configuration's keys.</summary>
    public JsonFields Json { get; }

    /// <summary>"LORA", "MISS", ….</summary>
    public string PeftType { get; }

    /// <summary>What was odd but allowed, one sentence each.</summary>
    public IList<string> Warnings { get; } = [];

    /// <summary>A rank or block size: above 0.</summary>
    /// <exception cref="ModelFileException">PF010 out of range.</exception>
    public int Rank(string key, int absent) => (int)(Json.Integer(key, 1, 1 << 20, "PF010") ?? absent);

    /// <summary>The number of dimensions of the first tensor whose name (without an adapter's name at its end) fulfils the condition; null where there is none.</summary>
    public int? TensorRank(Func<string, bool> condition) =>
        _tensors.Tensors.Values.FirstOrDefault(t => condition(t.Name) || condition(t.Name[..Math.Max(0, t.Name.LastIndexOf('.'))]))?.Shape.Count;

    internal TargetSelection Targets()
    {
        IReadOnlyList<long>? layers = Json.Integers("layers_to_transform");
        if (layers?.Any(l => l is < 0 or > int.MaxValue) == true)
            throw Json.Error("PF010", "layers_to_transform", "holds a number that is no layer");
        return new TargetSelection
        {
            TargetModules = Pattern("target_modules"),
            ExcludeModules = Pattern("exclude_modules"),
            LayersToTransform = layers?.Select(l => (int)l).ToArray(),
            LayersPattern = IsText("layers_pattern") ? [Json.Text("layers_pattern")!] : Json.Texts("layers_pattern"),
            ModulesToSave = Json.Texts("modules_to_save") ?? [],
        };
    }

    private ModulePattern? Pattern(string key)
    {
        if (IsText(key))
            return new ModulePattern(Json.Text(key)!);
        return Json.Texts(key) is { Count: > 0 } names ? new ModulePattern(names) : null;
    }

    private bool IsText(string key) => Json.Raw(key).StartsWith('"');
}
