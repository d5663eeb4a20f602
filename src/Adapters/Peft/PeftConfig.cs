using System.Text.Json.Nodes;
using Marrow.Adapters.Targets;
using Marrow.Formats;

namespace Marrow.Adapters.Peft;

/// <summary>Reads and writes adapter_config.json (spec/adapters.md §2.5, §4.1, §4.3).</summary>
public static class PeftConfig
{
    /// <summary>The file's name.</summary>
    public const string FileName = "adapter_config.json";

    // The oldest version that knows every key and type written here.
    private const string Version = "0.17.1";

    private static readonly string[] Common =
    [
        "base_model_name_or_path", "exclude_modules", "inference_mode", "layers_pattern", "layers_to_transform", "modules_to_save",
        "peft_type", "peft_version", "target_modules", "task_type",
    ];

    private static readonly PeftSwitch[] CommonSwitches = [new("bias", "\"none\""), new("auto_mapping") { IsHarmless = true }, new("revision") { IsHarmless = true }];

    /// <summary>Understands a configuration.</summary>
    /// <exception cref="MarrowException">
    /// PF003 a value of the wrong type; PF004 an unknown kind of adapter; PF005 a switch that is not supported; PF010, AD001 a value out of range.
    /// </exception>
    public static AdapterConfig Read(PeftDocument document)
    {
        JsonFields json = document.Json;
        AdapterConfig? config = null;
        foreach (AdapterMethod method in AdapterMethods.All)
        {
            if ((config = method.Read(document)) is not null)
                break;
        }
        if (config is null)
            throw json.Error("PF004", "peft_type", $"is {Echo.Quote(document.PeftType)}, which is not supported yet; supported are "
                + $"{string.Join(", ", AdapterMethods.All.Select(m => m.PeftType).Append("BONE").Distinct())}");
        foreach (PeftSwitch off in CommonSwitches.Concat(config.Switches))
        {
            string raw = json.Raw(off.Key);
            if (!off.IsHarmless && !off.IsNeutral(raw))
                throw json.Error("PF005", off.Key, $"is {Echo.Name(raw)}, which changes what the adapter computes and is not supported yet; "
                    + $"only {off.Neutral} is");
        }
        config = config with
        {
            Targets = document.Targets(),
            BaseModel = json.Text("base_model_name_or_path"),
            TaskType = json.Text("task_type"),
            Kept = Kept(document, config),
        };
        config.Check();
        return config;
    }

    /// <summary>The keys, with their JSON text, that mean nothing to <paramref name="config"/>'s method; a warning for each that is unknown.</summary>
    internal static Dictionary<string, string> Kept(PeftDocument document, AdapterConfig config)
    {
        JsonFields json = document.Json;
        PeftSwitch[] switches = [.. CommonSwitches, .. config.Switches];
        var own = new JsonObject();
        config.Write(own);
        var kept = new Dictionary<string, string>();
        foreach (string key in json.Keys)
        {
            if (Common.Contains(key) || own.ContainsKey(key))
                continue;
            PeftSwitch? known = switches.FirstOrDefault(s => s.Key == key);
            if (known is { IsHarmless: false } || known?.IsNeutral(json.Raw(key)) == true)
                continue;
            kept.Add(key, json.Raw(key));
            if (known is null)
                document.Warnings.Add($"{json.Path}: the key '{Echo.Name(key)}' is unknown and has no effect here; it is kept");
        }
        return kept;
    }

    /// <summary>The configuration as the text of an adapter_config.json; <paramref name="targets"/> are the names that select the adapted layers, where there are any.</summary>
    public static string Write(AdapterConfig config, ModulePattern? targets, string? baseModel)
    {
        TargetSelection selection = config.Targets;
        var fields = new JsonObject
        {
            ["base_model_name_or_path"] = baseModel ?? config.BaseModel,
            ["exclude_modules"] = Names(selection.ExcludeModules),
            ["inference_mode"] = true,
            ["layers_pattern"] = PeftJson.List(selection.LayersPattern),
            ["layers_to_transform"] = selection.LayersToTransform is { } layers ? new JsonArray([.. layers.Select(l => (JsonNode)l)]) : null,
            ["modules_to_save"] = selection.ModulesToSave.Count == 0 ? null : PeftJson.List(selection.ModulesToSave),
            ["peft_type"] = config.Method.PeftType,
            ["peft_version"] = Version,
            ["target_modules"] = Names(targets),
            ["task_type"] = config.TaskType,
        };
        foreach (PeftSwitch off in CommonSwitches.Concat(config.Switches).Where(s => s.IsWritten))
            fields[off.Key] = JsonNode.Parse(off.Neutral);
        foreach ((string key, string raw) in config.Kept)
            fields[key] = JsonNode.Parse(raw);
        config.Write(fields);
        return PeftJson.Sorted(fields);
    }

    private static JsonNode? Names(ModulePattern? pattern) => pattern is null ? null : pattern.Names is { } names ? PeftJson.List(names) : JsonValue.Create(pattern.Text);
}
