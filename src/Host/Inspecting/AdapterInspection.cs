using System.Globalization;
using Marrow.Adapters;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;

namespace Marrow.Host.Inspecting;

/// <summary>Looks at a PEFT adapter folder.</summary>
internal static class AdapterInspection
{
    public static Inspection Of(string path, bool values, CancellationToken stopping)
    {
        var found = new Inspection("PEFT adapter", path);
        using PeftFolder? folder = found.Try(() => PeftFolder.Open(path));
        if (folder is null)
        {
            FileInspection.AddEach(found, path, values, stopping);
            return found;
        }
        Describe(found, folder.Config);
        found.Warnings.AddRange(folder.Warnings);
        found.Add(folder.Tensors, values, stopping);
        return found;
    }

    private static void Describe(Inspection found, AdapterConfig config)
    {
        found.Facts["method"] = config.Method.Name;
        found.Facts["rank"] = string.Create(CultureInfo.InvariantCulture, $"{config.R}");
        if (config is LoraConfig lora)
            found.Facts["scale"] = string.Create(CultureInfo.InvariantCulture, $"lora_alpha {lora.LoraAlpha}{(lora.UseRslora ? ", divided by the root of r" : "")}");
        if (config is MissMiniConfig mini)
            found.Facts["mini_r"] = string.Create(CultureInfo.InvariantCulture, $"{mini.MiniR}");
        TargetSelection targets = config.Targets;
        found.Facts["targets"] = targets.TargetModules is { } modules ? Text(modules) : "the model's default";
        if (targets.ExcludeModules is { } excluded)
            found.Facts["left out"] = Text(excluded);
        if (targets.LayersToTransform is { Count: > 0 } layers)
            found.Facts["layers"] = string.Join(", ", layers);
        if (targets.ModulesToSave.Count > 0)
            found.Facts["trained whole"] = string.Join(", ", targets.ModulesToSave);
        found.Facts["base model"] = config.BaseModel ?? "not said";
    }

    private static string Text(ModulePattern pattern) => pattern.Text ?? string.Join(", ", pattern.Names!);
}
