using Marrow.Adapters.Targets;

namespace Marrow.Host.Jobs;

// The text of each [Key] is the documentation of the property.
#pragma warning disable CS1591

/// <summary>A training job with every default filled in (docs/schema/job-v1.schema.json).</summary>
public sealed record JobSpec
{
    /// <summary>The version of the job file that this program reads.</summary>
    public const string Schema = "marrow/job/v1";

    /// <summary>The base model.</summary>
    public ModelSpec Model { get; init; } = new();

    /// <summary>What is trained.</summary>
    public AdapterSpec Adapter { get; init; } = new();

    /// <summary>The examples.</summary>
    public DataSpec Data { get; init; } = new();

    /// <summary>How it is trained.</summary>
    public TrainingSpec Training { get; init; } = new();

    /// <summary>Where the results go.</summary>
    public OutputSpec Output { get; init; } = new();
}

/// <summary>The base model.</summary>
public sealed record ModelSpec
{
    [Key("The base model: a Hugging Face folder, or of an RWKV model its .pth or .safetensors file or the folder of it.", Required = true,
        AlsoKnownAs = ["base_model", "model_name_or_path", "model_name", "model"])]
    public string Path { get; init; } = "";

    [Key("Type of the frozen weights in memory; auto keeps what the file has, quantised blocks too. nf4, q8_0 and q4_k quantise the linear layers.",
        Choices = ["auto", "fp32", "bf16", "fp16", "nf4", "q8_0", "q4_k"],
        AlsoKnownAs = ["torch_dtype", "precision"])]
    public string Dtype { get; init; } = "auto";

    [Key("Type of activations; auto is bf16 on a GPU where the weights are bf16, else fp32.", Choices = ["auto", "fp32", "bf16"], AlsoKnownAs = ["bf16", "mixed_precision"])]
    public string Activations { get; init; } = "auto";

    [Key("Where to compute: auto (the first GPU that can be used, else the CPU), cpu, opencl[:n] or cuda[:n].", Pattern = "^(auto|cpu|(opencl|cuda)(:[0-9]{1,3})?)$",
        PatternText = "auto, cpu, opencl, opencl:n, cuda or cuda:n", MayChangeOnResume = true, AlsoKnownAs = ["device_map"])]
    public string Device { get; init; } = "auto";

    [Key("Most memory to take on the device, in GiB; null means all of it.", Min = 0, AboveMin = true, Max = 1 << 20, MayChangeOnResume = true, AlsoKnownAs = ["max_memory", "gpu_memory_limit"])]
    public double? DeviceMemory { get; init; }
}

/// <summary>What is trained; the words are those of PEFT.</summary>
public sealed record AdapterSpec
{
    [Key("The adapter: lora; dora; miss (balance), which is also called bone; bat (blocks tied by outputs, as in PEFT); bat_row (by inputs, as in RWKV-PEFT); mini; "
        + "state for the states that RWKV models start from; or full for all weights.",
        Choices = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini", "state", "full"], AlsoKnownAs = ["adapter", "peft_type", "finetuning_type", "type", "use_dora: dora"])]
    public string Method { get; init; } = "bone";

    [Key("Rank of LoRA, block size of the others.", Min = 1, Max = 65536, Methods = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini"],
        AlsoKnownAs = ["lora_r", "lora_rank", "rank"])]
    public int R { get; init; } = 16;

    [Key("LoRA's scale is lora_alpha / r.", Min = 0, AboveMin = true, Methods = ["lora", "dora"], AlsoKnownAs = ["alpha"])]
    public double LoraAlpha { get; init; } = 8;

    [Key("Scale LoRA by lora_alpha / sqrt(r).", Methods = ["lora", "dora"])]
    public bool UseRslora { get; init; }

    [Key("Dropout on the input of a LoRA layer.", Min = 0, Max = 1, BelowMax = true, Methods = ["lora", "dora"], AlsoKnownAs = ["dropout"])]
    public double LoraDropout { get; init; }

    [Key("Dropout on the input of a MiSS or Bone layer.", Min = 0, Max = 1, BelowMax = true, Methods = ["miss", "bone", "bat", "mini"])]
    public double MissDropout { get; init; }

    [Key("Columns of a mini block; must divide each layer's output.", Min = 1, Max = 65536, Methods = ["mini"])]
    public int MiniR { get; init; } = 1;

    [Key("true starts at the base model; false starts at random (for tests); gaussian draws LoRA's A from a normal distribution; bat and mini with method miss mean the methods of those names.",
        Choices = ["true", "false", "gaussian", "bat", "mini"], Methods = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini"], AlsoKnownAs = ["init_lora_weights"])]
    public string InitWeights { get; init; } = "true";

    [Key("Adapted layers: a list of name endings, a regular expression for whole names, or all-linear.",
        Methods = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini"], AlsoKnownAs = ["lora_target_modules", "lora_target", "lora_target_linear", "targets"])]
    public ModulePattern TargetModules { get; init; } = new(ModulePattern.AllLinear);

    [Key("Layers left out: a list of name endings or a regular expression.", Methods = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini"])]
    public ModulePattern? ExcludeModules { get; init; }

    [Key("Modules trained and saved whole beside the adapter, such as lm_head, or head of an RWKV model.", Methods = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini", "state"],
        AlsoKnownAs = ["lora_modules_to_save", "additional_target"])]
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    [Key("Numbers of the only layers to adapt; null means all.", Min = 0, Max = 100000, Methods = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini"])]
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    [Key("Biases are not trained.", Choices = ["none"])]
    public string Bias { get; init; } = "none";

    [Key("Apply training.weight_decay to the trained states.", Methods = ["state"])]
    public bool DecayStates { get; init; }

    [Key("A PEFT folder, or an RWKV-PEFT file (.pth or .safetensors, states too), to go on from; its settings hold where the job gives none.", AlsoKnownAs = ["lora_model_dir", "adapter_name_or_path", "resume_adapter_file"])]
    public string? InitFrom { get; init; }
}

/// <summary>The examples.</summary>
public sealed record DataSpec
{
    [Key("File of training examples; of a binidx dataset the .idx, the .bin or their common name.", Required = true, AlsoKnownAs = ["datasets", "dataset", "train_file", "train_data"])]
    public string Train { get; init; } = "";

    [Key("File of examples to evaluate on.", AlsoKnownAs = ["eval_file", "test_datasets", "eval_dataset", "valid", "validation"])]
    public string? Eval { get; init; }

    [Key("Share of the training examples set aside for evaluation.", Min = 0, Max = 1, BelowMax = true, AlsoKnownAs = ["val_set_size", "val_size", "test_size"])]
    public double EvalSplit { get; init; }

    [Key("Form of the examples; auto looks at the first one, and takes .idx and .bin for binidx.", Choices = ["auto", "text", "completion", "chat", "alpaca", "tokens", "binidx"])]
    public string Format { get; init; } = "auto";

    [Key("Longest example in tokens; longer ones are cut.", Min = 2, Max = 1 << 24,
        AlsoKnownAs = ["sequence_len", "cutoff_len", "max_seq_length", "max_seq_len", "ctx_len", "context_length"])]
    public int MaxLength { get; init; } = 512;

    [Key("Put several examples into one row; they do not see each other.", AlsoKnownAs = ["sample_packing"])]
    public bool Packing { get; init; }

    [Key("Train on the answers only.", AlsoKnownAs = ["train_on_inputs", "train_on_prompt", "completion_only_loss", "assistant_only_loss"])]
    public bool MaskPrompt { get; init; } = true;

    [Key("Draw the examples of each epoch in a new order.")]
    public bool Shuffle { get; init; } = true;
}

/// <summary>How it is trained.</summary>
public sealed record TrainingSpec
{
    [Key("Optimizer steps; with epochs, what ends first counts.", Min = 1, MayChangeOnResume = true, AlsoKnownAs = ["iters", "num_steps", "steps", "total_steps"])]
    public int? MaxSteps { get; init; }

    [Key("Passes over the data; null means 1 where max_steps is null too.", Min = 0, AboveMin = true, MayChangeOnResume = true,
        AlsoKnownAs = ["num_epochs", "num_train_epochs", "epoch_count"])]
    public double? Epochs { get; init; }

    [Key("Examples (rows, when packing) computed at a time.", Min = 1, Max = 65536,
        AlsoKnownAs = ["micro_batch_size", "per_device_train_batch_size", "micro_bsz"])]
    public int BatchSize { get; init; } = 2;

    [Key("Batches whose gradients make one optimizer step.", Min = 1, Max = 65536, AlsoKnownAs = ["accumulate_grad_batches", "grad_accumulation_steps"])]
    public int GradientAccumulationSteps { get; init; } = 1;

    [Key("The optimizer.", Choices = ["adamw"], AlsoKnownAs = ["optim"])]
    public string Optimizer { get; init; } = "adamw";

    [Key("Highest learning rate.", Min = 0, Max = 10, AlsoKnownAs = ["lr", "lr_init"])]
    public double LearningRate { get; init; } = 1e-3;

    [Key("How the learning rate goes down after the warm-up.", Choices = ["constant", "linear", "cosine"],
        AlsoKnownAs = ["lr_scheduler", "lr_scheduler_type", "schedule"])]
    public string LrSchedule { get; init; } = "constant";

    [Key("Share of learning_rate that a linear or cosine schedule ends at.", Min = 0, Max = 1, AlsoKnownAs = ["cosine_min_lr_ratio", "min_lr_rate", "lr_final"])]
    public double MinLrRatio { get; init; }

    [Key("Steps over which the learning rate rises to its highest.", Min = 0)]
    public int WarmupSteps { get; init; }

    [Key("Decoupled weight decay of AdamW.", Min = 0, Max = 1)]
    public double WeightDecay { get; init; } = 0.01;

    [Key("Decay rates of AdamW's two moments.", Min = 0, Max = 1, BelowMax = true, Length = 2, AlsoKnownAs = ["adam_beta1", "adam_beta2", "beta1", "beta2"])]
    public IReadOnlyList<double> Betas { get; init; } = [0.9, 0.999];

    [Key("AdamW's guard against division by zero.", Min = 0, AboveMin = true, Max = 1, AlsoKnownAs = ["adam_epsilon", "adam_eps"])]
    public double Eps { get; init; } = 1e-8;

    [Key("Gradients are scaled down to this norm; 0 turns it off.", Min = 0, AlsoKnownAs = ["gradient_clipping", "grad_clip", "max_norm"])]
    public double MaxGradNorm { get; init; } = 1.0;

    [Key("Seed of every random draw.", Min = 0, AlsoKnownAs = ["random_seed"])]
    public int Seed { get; init; } = 1;

    [Key("Save memory by computing each layer's activations twice.", AlsoKnownAs = ["gradient_checkpointing", "grad_checkpoint", "grad_cp"])]
    public bool ActivationCheckpointing { get; init; }

    [Key("Read sequences in segments of so many tokens, with the state carried and gradients ending at their borders, so that memory does not grow with the length; RWKV models only. null reads them whole.",
        Min = 1, Max = 1 << 24, AlsoKnownAs = ["chunk_ctx", "infctx", "chunk_len"])]
    public int? SegmentLength { get; init; }

    [Key("Evaluate every so many steps; null means at the end only.", Min = 1, MayChangeOnResume = true, AlsoKnownAs = ["evals_per_epoch", "eval_interval"])]
    public int? EvalSteps { get; init; }

    [Key("Save a checkpoint every so many steps; null means at the end only.", Min = 1, MayChangeOnResume = true, AlsoKnownAs = ["saves_per_epoch", "save_every", "save_interval"])]
    public int? SaveSteps { get; init; }

    [Key("Checkpoints kept; older ones are deleted.", Min = 1, MayChangeOnResume = true)]
    public int SaveTotalLimit { get; init; } = 2;

    [Key("Threads on the CPU; null means one per core. The result does not depend on it.", Min = 1, Max = 4096, MayChangeOnResume = true, AlsoKnownAs = ["num_threads", "n_threads"])]
    public int? Threads { get; init; }
}

/// <summary>Where the results go.</summary>
public sealed record OutputSpec
{
    [Key("The run folder.", Required = true, MayChangeOnResume = true, AlsoKnownAs = ["output_dir", "adapter_path", "out_dir"])]
    public string Dir { get; init; } = "";

    [Key("Form of the trained adapter: peft writes the folder adapter/; rwkv-peft the file adapter.pth with RWKV-PEFT's names, which does not hold lora_alpha.",
        Choices = ["peft", "rwkv-peft"], MayChangeOnResume = true, Methods = ["lora", "dora", "miss", "bone", "bat", "bat_row", "mini", "state"])]
    public string AdapterFormat { get; init; } = "peft";
}
