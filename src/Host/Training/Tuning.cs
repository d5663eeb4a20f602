using Marrow.Adapters;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Adapters.Targets;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Host.Jobs;

namespace Marrow.Host.Training;

/// <summary>Makes of a model what a job wants to train.</summary>
internal static class Tuning
{
    /// <summary>The model with the job's adapter, fresh or from adapter.init_from, or with all its weights.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="job">The job.</param>
    /// <param name="warnings">Gets what is odd but allowed.</param>
    /// <exception cref="MarrowException">TJ001: init_from goes with adapters only; TJ002 the adapter there is another; AD013 output.adapter_format cannot hold the adapter.</exception>
    public static FineTuning Of(CausalModel model, JobSpec job, List<string> warnings)
    {
        AdapterSpec spec = job.Adapter;
        if (spec.Method == "full")
            return spec.InitFrom is null ? new Full(model)
                : throw new MarrowException("TJ001", "adapter.init_from: method full trains the model itself; merge the adapter first and name the merged model in model.path");
        AdaptedModel tuning = spec.InitFrom is null ? new AdaptedModel(model, Config(spec), (ulong)job.Training.Seed) : Continued(model, spec, warnings);
        try
        {
            if (job.Output.AdapterFormat == "peft")
                PeftFolder.RequireWritable(tuning);
            else
                RwkvPeftFile.RequireWritable(tuning);
        }
        catch
        {
            tuning.Dispose();
            throw;
        }
        warnings.AddRange(tuning.Warnings);
        if (job.Output.AdapterFormat != "peft" && RwkvPeftFile.Remark(tuning) is { } remark)
            warnings.Add(remark);
        return tuning;
    }

    private static AdaptedModel Continued(CausalModel model, AdapterSpec spec, List<string> warnings)
    {
        using AdapterFiles files = Open(spec, spec.LoraAlpha);
        AdaptedModel loaded = AdaptedModel.Load(model, files, config => config with { DecayStates = spec.DecayStates });
        warnings.AddRange(files.Warnings);
        string found = loaded.Config.Method.Name;
        if (found is "bat" or "bat_row" && found != spec.Method)
        {
            loaded.Dispose();
            throw Differs(files, [$"adapter.method is {found} by the shapes there and {spec.Method} in the job"]);
        }
        int meant = loaded.Config.AdaptsLayers ? new TargetSelector(model, Config(spec).Targets).Layers().Count : 0;
        if (meant != loaded.Layers.Count)
            warnings.Add($"adapter.init_from adapts {loaded.Layers.Count} layers, the job's target_modules means {meant}; those of the adapter are trained");
        return loaded;
    }

    private static AdapterConfig Config(AdapterSpec spec)
    {
        var targets = new TargetSelection
        {
            TargetModules = spec.TargetModules,
            ExcludeModules = spec.ExcludeModules,
            LayersToTransform = spec.LayersToTransform,
            ModulesToSave = spec.ModulesToSave ?? [],
        };
        AdapterInit init = spec.InitWeights switch { "gaussian" => AdapterInit.Gaussian, "false" => AdapterInit.Random, _ => AdapterInit.Default };
        AdapterConfig config = spec.Method switch
        {
            "lora" => new LoraConfig { LoraAlpha = spec.LoraAlpha, UseRslora = spec.UseRslora, LoraDropout = spec.LoraDropout },
            "dora" => new DoraConfig { LoraAlpha = spec.LoraAlpha, UseRslora = spec.UseRslora, LoraDropout = spec.LoraDropout },
            "mini" => new MissMiniConfig { MiniR = spec.MiniR, MissDropout = spec.MissDropout },
            "bat" => new BatConfig { MissDropout = spec.MissDropout },
            "bat_row" => new BatRowConfig(),
            "state" => new StateConfig { DecayStates = spec.DecayStates },
            _ => new MissConfig { MissDropout = spec.MissDropout },
        };
        return config with { R = config.AdaptsLayers ? spec.R : 0, InitWeights = init, Targets = targets };
    }

    /// <summary>The job with the settings of adapter.init_from in place of defaults.</summary>
    /// <exception cref="MarrowException">TJ002: the job gives a setting, and the adapter there has another; TJ003: it has no scale, and the job gives none.</exception>
    public static JobFile Settled(JobFile job)
    {
        if (job.Spec.Adapter is not { InitFrom: { } path } spec || spec.Method == "full")
            return job;
        using AdapterFiles folder = Open(spec, job.Given.Contains("adapter.lora_alpha") ? spec.LoraAlpha : null);
        if (spec.Method == "lora" && folder is RwkvPeftFile { LacksAlpha: true })
            throw new MarrowException("TJ003", $"adapter.init_from {Echo.Name(path, 300)} holds LoRA without its scale, as RWKV-PEFT writes it; give the adapter.lora_alpha that it was trained with");
        List<string> differences = [];
        T Settle<T>(string key, T has, T says)
        {
            if (job.Given.Contains("adapter." + key) && !EqualityComparer<T>.Default.Equals(has, says))
                differences.Add(FormattableString.Invariant($"adapter.{key} is {has} there and {says} in the job"));
            return has;
        }

        // "miss" and "bone" name the family: the folder says which of its forms.
        bool family = spec.Method is "miss" or "bone" && folder.Config is MissConfig;
        AdapterConfig file = folder.Config;
        AdapterSpec settled = spec with
        {
            // Whether a file's Bat is tied by inputs or by outputs shows on the model only.
            Method = (family && file.Method.Name == "miss") || (folder is RwkvPeftFile { IsBat: true } && spec.Method is "bat" or "bat_row") ? spec.Method
                : family ? file.Method.Name : Settle("method", file.Method.Name, spec.Method),
            R = file.AdaptsLayers ? Settle("r", file.R, spec.R) : spec.R,
            TargetModules = job.Given.Contains("adapter.target_modules") ? spec.TargetModules : file.Targets.TargetModules ?? spec.TargetModules,
        };
        settled = file switch
        {
            LoraConfig lora => settled with
            {
                LoraAlpha = Settle("lora_alpha", lora.LoraAlpha, spec.LoraAlpha),
                UseRslora = Settle("use_rslora", lora.UseRslora, spec.UseRslora),
                LoraDropout = Settle("lora_dropout", lora.LoraDropout, spec.LoraDropout),
            },
            MissConfig miss => settled with
            {
                MissDropout = Settle("miss_dropout", miss.MissDropout, spec.MissDropout),
                MiniR = miss is MissMiniConfig mini ? Settle("mini_r", mini.MiniR, spec.MiniR) : spec.MiniR,
            },
            _ => settled,
        };
        return differences.Count == 0 ? job with { Spec = job.Spec with { Adapter = settled } } : throw Differs(folder, differences);
    }

    private static AdapterFiles Open(AdapterSpec spec, double? alpha) => AdapterFiles.Open(spec.InitFrom!, spec.Method == "lora" && !AdapterFiles.HoldsScale(spec.InitFrom!) ? alpha : null);

    private static MarrowException Differs(AdapterFiles files, IReadOnlyList<string> differences) => new("TJ002",
        $"adapter.init_from {Echo.Name(files.Path, 300)} is another adapter than the job describes: {string.Join("; ", differences)}. Give the same values in the job, or leave them out");
}
