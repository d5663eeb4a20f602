using Marrow.Host.Jobs.Yaml;

namespace Marrow.Host.Jobs;

/// <summary>What several keys must agree on. A rule speaks only of keys that the job gives and that were read.</summary>
internal static class JobRules
{
    public static void Check(JobSpec job, IReadOnlyDictionary<string, Place> given, JobProblems problems)
    {
        void Refuse(string key, bool wrong, string message)
        {
            if (wrong && given.TryGetValue(key, out Place place))
                problems.Add("JB010", place, key, message);
        }

        AdapterSpec adapter = job.Adapter;
        TrainingSpec training = job.Training;
        Refuse("adapter.init_weights", adapter.InitWeights == "gaussian" && adapter.Method is not ("lora" or "dora" or "full"),
            $"gaussian is LoRA's; method {adapter.Method} knows true and false");
        Refuse("adapter.init_weights", adapter.InitWeights is "bat" or "mini", $"{adapter.InitWeights} goes with method miss, not with {adapter.Method}");
        Refuse("adapter.layers_to_transform", adapter.TargetModules.Expression is not null,
            "cannot go with a regular expression in target_modules; put the layer numbers into the expression");
        Refuse("adapter.exclude_modules", adapter.ExcludeModules is { IsAllLinear: true }, "all-linear would leave nothing to adapt");
        Refuse("data.eval_split", job.Data.EvalSplit > 0 && given.ContainsKey("data.eval"), "give either data.eval or data.eval_split");
        Refuse("training.eval_steps", job.Data.Eval is null && job.Data.EvalSplit == 0, "there is nothing to evaluate on; set data.eval or data.eval_split");
        Refuse("training.min_lr_ratio", training.MinLrRatio > 0 && training.LrSchedule == "constant", "a constant schedule does not go down; set lr_schedule to cosine or linear");
        Refuse("training.warmup_steps", training.WarmupSteps > training.MaxSteps, $"is more than max_steps ({training.MaxSteps}); the warm-up would never end");
    }
}
