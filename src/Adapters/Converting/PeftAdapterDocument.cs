using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Converting;

/// <summary>
/// A PEFT folder, opened for conversion: also with what the engine does not compute but can be carried or refused by name (DoRA, biases, embeddings).
/// </summary>
internal sealed class PeftAdapterDocument : AdapterDocument
{
    private const string A = "lora_A", B = "lora_B", EmbeddingA = "lora_embedding_A", EmbeddingB = "lora_embedding_B", Magnitude = "lora_magnitude_vector";
    private static readonly HashSet<string> Stems = [A, B, EmbeddingA, EmbeddingB, Magnitude, MissKeys.Tensor, BatRowConfig.Tensor];
    // What PEFT means by these is read here.
    private static readonly string[] Understood = ["use_dora", "lora_bias"];
    private static readonly string[] Notable = ["task_type", "lora_dropout", "miss_dropout"];

    private readonly JsonFields _json;
    private readonly PeftDocument _document;

    private PeftAdapterDocument(AdapterKind kind, string path, JsonFields json, ModelWeights weights)
        : base(kind, path, weights.Tensors)
    {
        (_json, _document) = (json, new PeftDocument(json, weights.Tensors));
        foreach (string warning in weights.Warnings)
            Warnings.Add(warning);
    }

    /// <exception cref="MarrowException">PF001 … PF005, PF009, PF010, AD001, AD006 as <see cref="PeftFolder.Open"/>.</exception>
    public static PeftAdapterDocument Open(AdapterKind kind, string path)
    {
        ModelWeights weights = PeftFolder.OpenTensors(path);
        try
        {
            return new PeftAdapterDocument(kind, path, PeftFolder.ReadConfig(path), weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    protected override AdapterContents Understand(BaseWeights? model)
    {
        var found = new Dictionary<string, Dictionary<string, TensorInfo>>();
        List<CarriedTensor> carried = [];
        HashSet<string> whole = [];
        foreach (TensorInfo tensor in Tensors.Tensors.Values)
        {
            string key = PeftKeys.Normalise(tensor.Name, Stems, MissKeys.FormerNames)[PeftKeys.Prefix.Length..].Replace(".base_layer.", ".", StringComparison.Ordinal);
            string[] parts = key.Split('.');
            int stem = Array.FindLastIndex(parts, Stems.Contains);
            if (stem < 0)
            {
                carried.Add(Carried(key, tensor, model));
                whole.Add(BaseWeights.ModuleOf(key));
                continue;
            }
            string module = string.Join('.', parts[..stem]), name = string.Join('.', parts[stem..]);
            name = name is A + ".weight" or B + ".weight" or Magnitude + ".weight" ? name[..^".weight".Length] : name;
            if (!found.TryGetValue(module, out var layer))
                found.Add(module, layer = []);
            if (!layer.TryAdd(name, tensor))
                throw Error("PF008", $"'{Echo.Name(tensor.Name)}' and '{Echo.Name(layer[name].Name)}' are the same tensor; does the file hold two adapters?");
        }
        if (found.Count == 0 && carried.Count == 0)
            throw Error("AC002", "holds no tensors of an adapter");
        string? changed = null;
        Func<string, Dictionary<string, TensorInfo>, AdaptedModule> make = _document.PeftType == "LORA" ? Lora(model, out changed, out AdapterConfig config) : Blocks(model, out config);
        var contents = new AdapterContents([.. found.Select(f => make(f.Key, f.Value))], carried) { BaseModel = _json.Text("base_model_name_or_path"), ChangedBase = changed, Notes = Notes(config) };
        foreach (string name in _json.Texts("modules_to_save") ?? [])
        {
            if (!whole.Any(path => path.EndsWith(name, StringComparison.Ordinal)))
                Warnings.Add($"{Path}: modules_to_save means '{Echo.Name(name)}', of which the file holds nothing; it stays the base's");
        }
        WarnOfOthers(found.Keys);
        return contents;
    }

    // The file is taken at its word; PEFT goes by the configuration and says nothing.
    private void WarnOfOthers(IEnumerable<string> modules)
    {
        string[] others = [];
        try
        {
            TargetSelection selection = _document.Targets();
            if (selection.TargetModules is { } targets)
            {
                var rule = new TargetRule(selection, targets);
                others = [.. modules.Where(m => !rule.Means(m))];
            }
        }
        catch (MarrowException e) when (e.Code == "AD006")
        {
            // Python's expressions are not all .NET's, and nothing depends on them here.
            Warnings.Add($"{Path}: which modules {PeftConfig.FileName} means is not known: {e.Message}");
        }
        if (others.Length > 0)
            Warnings.Add($"{Path}: holds an adapter of {others.Length} modules ('{Echo.Name(others[0])}'{(others.Length > 1 ? " …" : "")}) that {PeftConfig.FileName} leaves out by target_modules, exclude_modules, layers_to_transform or modules_to_save; PEFT passes over them, here they count");
    }

    private PeftNotes Notes(AdapterConfig config)
    {
        Dictionary<string, string> keys = new(config.Kept);
        foreach (string key in Notable.Where(_json.Contains))
            keys[key] = _json.Raw(key);
        foreach (string warning in _document.Warnings)
            Warnings.Add(warning);
        return new PeftNotes(config.Method.PeftType, keys);
    }

    private CarriedTensor Carried(string key, TensorInfo tensor, BaseWeights? model)
    {
        string last = key[(key.LastIndexOf('.') + 1)..], module = BaseWeights.ModuleOf(key);
        if (last is "trainable_tokens_delta" or "prompt_embeddings")
            throw Error("AC005", $"'{Echo.Name(tensor.Name)}' {tensor.ShapeText} holds single trained tokens, which no other kind of file can hold; merge the adapter with PEFT");
        string official = (model?.OfficialOf(module) ?? module) + key[module.Length..];
        bool bias = last == "bias" && _json.Text("bias") is not (null or "none");
        return new CarriedTensor(official, last == "time_state" ? CarriedKind.State : bias ? CarriedKind.Bias : CarriedKind.Saved, Tensors, tensor);
    }

    private Func<string, Dictionary<string, TensorInfo>, AdaptedModule> Lora(BaseWeights? model, out string? changed, out AdapterConfig config)
    {
        foreach (PeftSwitch off in new LoraConfig().Switches.Where(s => !s.IsHarmless && !Understood.Contains(s.Key)))
        {
            if (!off.IsNeutral(_json.Raw(off.Key)))
                throw _json.Error("PF005", off.Key, $"is {Echo.Name(_json.Raw(off.Key))}, which changes what the adapter computes and is not supported; merge the adapter with PEFT");
        }
        int rank = _document.Rank("r", 8);
        double alpha = _json.Number("lora_alpha") ?? 8;
        bool byRoot = _json.Flag("use_rslora") ?? false, dora = _json.Flag("use_dora") ?? false;
        LayerPattern ranks = LayerPattern.Read(_json, "rank_pattern"), alphas = LayerPattern.Read(_json, "alpha_pattern");
        config = new LoraConfig { R = rank, LoraAlpha = alpha, RankPattern = ranks, AlphaPattern = alphas };
        config.Check();
        config = config with { Kept = PeftConfig.Kept(_document, config) };
        string start = _json.Raw("init_lora_weights");
        if (start == "\"loftq\"")
            throw _json.Error("PF005", "init_lora_weights", "is \"loftq\": the adapter makes up for what quantising took from the base, and belongs to those quantised weights; merge it with PEFT into the model that it was trained on");
        changed = LoraConfig.IsOnChangedBase(start) ? $"init_lora_weights is {Echo.Name(start)}" : null;
        return (module, tensors) =>
        {
            bool embedding = tensors.ContainsKey(EmbeddingA) || tensors.ContainsKey(EmbeddingB);
            string[] known = embedding ? [EmbeddingA, EmbeddingB, Magnitude] : [A, B, Magnitude, B + ".bias"];
            if (tensors.FirstOrDefault(t => !known.Contains(t.Key)).Value is { } odd)
                throw Error("PF007", $"'{Echo.Name(odd.Name)}' is no tensor of LoRA; the file is another adapter's than {PeftConfig.FileName} says");
            AdapterMatrix? Matrix(string name) => tensors.TryGetValue(name, out TensorInfo? tensor) ? AdapterMatrix.Of(Tensors, tensor.Name) : null;
            LowRankLayer layer = Pair(Official(module, model), Matrix(embedding ? EmbeddingA : A), Matrix(embedding ? EmbeddingB : B), _ => new LoraScale(alphas.Find(module) ?? alpha, byRoot), embedding)
                with { Magnitude = Matrix(Magnitude), OutputBias = Matrix(B + ".bias") };
            if (dora != layer.Magnitude is not null)
                throw Error("AC002", $"module '{Echo.Name(module)}' has {(dora ? "no magnitudes, although use_dora is true" : "magnitudes, although use_dora is false")}; the file is another adapter's than {PeftConfig.FileName} says");
            if (dora && embedding)
                throw Error("AC002", $"module '{Echo.Name(module)}' is an embedding with DoRA, which is not supported; merge the adapter with PEFT");
            // The tensors are the truth: a rank in the configuration that differs would only change the scale.
            if ((int)(ranks.Find(module) ?? rank) is var stated && stated != layer.Rank)
                throw Error("AC002", $"module '{Echo.Name(module)}' has rank {layer.Rank}, but {PeftConfig.FileName} says {stated}; the scale would be wrong, so set r or rank_pattern there to what was trained");
            return layer;
        };
    }

    private Func<string, Dictionary<string, TensorInfo>, AdaptedModule> Blocks(BaseWeights? model, out AdapterConfig config)
    {
        AdapterConfig read = config = PeftConfig.Read(_document);
        BlockForm? form = read switch
        {
            MissMiniConfig => BlockForm.Mini,
            BatConfig => BlockForm.BatByOutputs,
            BatRowConfig => BlockForm.BatByInputs,
            MissConfig => BlockForm.Balance,
            _ => null,
        };
        string wanted = form == BlockForm.BatByInputs ? BatRowConfig.Tensor : MissKeys.Tensor;
        return (module, tensors) => form is { } known && tensors is { Count: 1 } && tensors.TryGetValue(wanted, out TensorInfo? tensor)
            ? BlockReading.Layer(Tensors, Official(module, model), known, tensor, read.R, (read as MissMiniConfig)?.MiniR)
            : throw Error("PF007", $"'{Echo.Name(tensors.First().Value.Name)}' is no tensor of {read.Method.Name}; the file is another adapter's than {PeftConfig.FileName} says");
    }

    private static string Official(string path, BaseWeights? model) => model is null ? path : model.OfficialOf(path) ?? path;
}
