using Marrow.Adapters;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
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
    /// <exception cref="MarrowException">TJ001: init_from goes with adapters only; TJ002: the adapter to go on from is another than the job says.</exception>
    public static FineTuning Of(Llama model, JobSpec job, List<string> warnings)
    {
        AdapterSpec spec = job.Adapter;
        if (spec.Method == "full")
            return spec.InitFrom is null ? new Full(model)
                : throw new MarrowException("TJ001", "adapter.init_from: method full trains the model itself; merge the adapter first and name the merged model in model.path");
        AdapterConfig config = Config(spec);
        FineTuning tuning;
        if (spec.InitFrom is { } path)
        {
            using PeftFolder folder = PeftFolder.Open(path);
            RequireSame(folder, config);
            warnings.AddRange(folder.Warnings);
            var loaded = AdaptedModel.Load(model, folder);
            tuning = loaded;
            int meant = new TargetSelector(model, config.Targets).Layers().Count;
            if (meant != loaded.Layers.Count)
                warnings.Add($"adapter.init_from adapts {loaded.Layers.Count} layers, the job's target_modules means {meant}; the folder's layers are trained");
        }
        else
        {
            tuning = new AdaptedModel(model, config, (ulong)job.Training.Seed);
        }
        warnings.AddRange(tuning.Warnings);
        return tuning;
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
            "mini" => new MissMiniConfig { MiniR = spec.MiniR, MissDropout = spec.MissDropout },
            "bat" => new BatConfig { MissDropout = spec.MissDropout },
            _ => new MissConfig { MissDropout = spec.MissDropout },
        };
        return config with { R = spec.R, InitWeights = init, Targets = targets };
    }

    /// <summary>The folder's own settings hold; the job must not say otherwise.</summary>
    private static void RequireSame(PeftFolder folder, AdapterConfig job)
    {
        List<string> differences = [];
        void Compare<T>(string key, T has, T says)
        {
            if (!EqualityComparer<T>.Default.Equals(has, says))
                differences.Add(FormattableString.Invariant($"adapter.{key} is {has} there and {says} in the job"));
        }

        AdapterConfig file = folder.Config;
        Compare("method", file.Method.Name, job.Method.Name);
        Compare("r", file.R, job.R);
        if (file is LoraConfig lora && job is LoraConfig wanted)
        {
            Compare("lora_alpha", lora.LoraAlpha, wanted.LoraAlpha);
            Compare("use_rslora", lora.UseRslora, wanted.UseRslora);
            Compare("lora_dropout", lora.LoraDropout, wanted.LoraDropout);
        }
        if (file is MissMiniConfig mini && job is MissMiniConfig small)
            Compare("mini_r", mini.MiniR, small.MiniR);
        if (differences.Count > 0)
            throw new MarrowException("TJ002", $"adapter.init_from {Echo.Name(folder.Path, 300)} is another adapter than the job describes: {string.Join("; ", differences)}. Put the same values into the job");
    }
}
