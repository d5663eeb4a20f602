using System.Globalization;
using Marrow.Adapters;
using Marrow.Adapters.Converting;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Adapters.Targets;
using Marrow.Formats;

namespace Marrow.Host.Inspecting;

/// <summary>Looks at a PEFT adapter folder, or at an RWKV-PEFT file.</summary>
internal static class AdapterInspection
{
    public static Inspection Of(string path, bool values, CancellationToken stopping)
    {
        var found = new Inspection("PEFT adapter", path);
        using PeftFolder? folder = found.Try(() => PeftFolder.Open(path));
        if (folder is null)
        {
            Quote(found, path);
            FileInspection.AddEach(found, path, values, stopping);
            return found;
        }
        Describe(found, folder.Config);
        found.Warnings.AddRange(folder.Warnings);
        found.Add(folder.Tensors, values, stopping);
        return found;
    }

    /// <summary>Looks at an adapter of another program's form: GGUF-LoRA, mlx-lm's, kohya's.</summary>
    public static Inspection OfOther(AdapterKind kind, string path, bool values, CancellationToken stopping)
    {
        var found = new Inspection($"{kind.Name} adapter", path);
        found.Facts["form"] = kind.Description;
        using AdapterDocument? document = found.Try(() => kind.Open(path));
        if (document is null)
            return found;
        if (found.Try(() => document.Read(null)) is { } contents)
        {
            found.Facts["method"] = string.Join(", ", contents.Layers.Select(l => l.Method).Distinct());
            found.Facts["layers"] = $"{contents.Layers.Count}";
            found.Facts["rank"] = string.Join(", ", contents.Layers.Select(l => l.Rank).Distinct().Order());
            string[] scales = [.. contents.Layers.OfType<LowRankLayer>().Select(l => l.Factor.ToString("g4", CultureInfo.InvariantCulture)).Distinct()];
            if (scales.Length > 0)
                found.Facts["scale"] = $"{string.Join(", ", scales.Take(8))}{(scales.Length > 8 ? ", …" : "")}, by which B·A is multiplied";
            if (contents.Carried.Count > 0)
                found.Facts["beside"] = $"{contents.Carried.Count} tensors that are no factors";
        }
        found.Warnings.AddRange(document.Warnings);
        found.Add(document.Tensors, values, stopping);
        return found;
    }

    public static Inspection OfFile(string path, bool values, CancellationToken stopping)
    {
        var found = new Inspection("RWKV-PEFT adapter", path);
        using RwkvPeftFile? file = found.Try(() => RwkvPeftFile.Open(path));
        if (file is null)
            return found;
        Describe(found, file.Config);
        if (file.LacksAlpha)
            found.Facts["scale"] = "not in the file: the lora_alpha it was trained with must be given (--adapter-alpha)";
        if (file.Config is LoraConfig)
            found.Facts["caution"] = "a PiSSA run of RWKV-PEFT has the same names here; its file belongs to a base changed by its init_pissa.pth, and computes wrongly on the plain one";
        if (file.IsBat)
            found.Facts["tying"] = "by inputs, as in RWKV-PEFT, unless the shapes of the model's layers say that it is by outputs, as in PEFT; square layers cannot tell";
        found.Facts.Remove("base model");
        found.Warnings.AddRange(file.Warnings);
        found.Add(file.Tensors, values, stopping);
        return found;
    }

    /// <summary>What the configuration of an adapter that is not supported says of it.</summary>
    private static void Quote(Inspection found, string folder)
    {
        if (!File.Exists(Path.Combine(folder, PeftConfig.FileName)) || found.Try(() => PeftFolder.ReadConfig(folder)) is not { } json)
            return;
        foreach ((string fact, string key) in new[] { ("method", "peft_type"), ("start", "init_lora_weights"), ("rank", "r"), ("scale", "lora_alpha"), ("base model", "base_model_name_or_path") })
            if (json.Raw(key) is { Length: < 200 } said and not ("null" or "true"))
                found.Facts[fact] = fact == "scale" ? $"lora_alpha {said}" : said.Trim('"');
    }

    private static void Describe(Inspection found, AdapterConfig config)
    {
        found.Facts["method"] = config.Method.Name;
        if (config.TrainStates)
            found.Facts["states"] = "trained: what recurrent layers start from";
        if (config.AdaptsLayers)
            found.Facts["rank"] = string.Create(CultureInfo.InvariantCulture, $"{config.R}");
        if (config is LoraConfig lora)
            found.Facts["scale"] = string.Create(CultureInfo.InvariantCulture, $"lora_alpha {lora.LoraAlpha}{(lora.UseRslora ? ", divided by the root of r" : "")}");
        if (config is MissMiniConfig mini)
            found.Facts["mini_r"] = string.Create(CultureInfo.InvariantCulture, $"{mini.MiniR}");
        TargetSelection targets = config.Targets;
        if (config.AdaptsLayers)
            found.Facts["targets"] = targets.TargetModules is { } modules ? Text(modules) : "the model's default";
        if (targets.ExcludeModules is { } excluded)
            found.Facts["left out"] = Text(excluded);
        if (targets.LayersToTransform is { Count: > 0 } layers)
            found.Facts["layers"] = string.Join(", ", layers);
        if (targets.ModulesToSave.Count > 0)
            found.Facts["trained whole"] = string.Join(", ", targets.ModulesToSave);
        found.Facts["base model"] = config.BaseModel ?? "not said";
    }

    // A file names every layer; their endings say it shorter.
    private static string Text(ModulePattern pattern) => pattern.Text ?? (pattern.Names!.Count <= 20 ? string.Join(", ", pattern.Names)
        : $"{pattern.Names.Count} layers: {string.Join(", ", pattern.Names.Select(n => n[(n.LastIndexOf('.') + 1)..]).Distinct())}");
}
