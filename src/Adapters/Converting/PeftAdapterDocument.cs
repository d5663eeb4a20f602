using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

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

    private readonly JsonFields _json;
    private readonly PeftDocument _document;

    private PeftAdapterDocument(AdapterKind kind, string path, JsonFields json, SafetensorsFile tensors)
        : base(kind, path, tensors)
    {
        (_json, _document) = (json, new PeftDocument(json, tensors));
        foreach (string warning in tensors.Warnings)
            Warnings.Add(warning);
    }

    /// <exception cref="MarrowException">PF001 … PF005, PF009, PF010, AD001, AD006 as <see cref="PeftFolder.Open"/>.</exception>
    public static PeftAdapterDocument Open(AdapterKind kind, string path)
    {
        PeftFolder.RequireWhole(path);
        string config = System.IO.Path.Combine(path, PeftConfig.FileName);
        JsonFields json = JsonFields.Parse(config, InputFile.ReadAll(config), "PF002", "PF003");
        SafetensorsFile file = SafetensorsFile.Open(System.IO.Path.Combine(path, PeftFolder.TensorFile));
        try
        {
            return new PeftAdapterDocument(kind, path, json, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    protected override AdapterContents Understand(BaseWeights? model)
    {
        var found = new Dictionary<string, Dictionary<string, TensorInfo>>();
        List<CarriedTensor> carried = [];
        foreach (TensorInfo tensor in Tensors.Tensors.Values)
        {
            string key = PeftKeys.Normalise(tensor.Name, Stems, MissKeys.FormerNames)[PeftKeys.Prefix.Length..].Replace(".base_layer.", ".", StringComparison.Ordinal);
            string[] parts = key.Split('.');
            int stem = Array.FindLastIndex(parts, Stems.Contains);
            if (stem < 0)
            {
                carried.Add(Carried(key, tensor, model));
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
        Func<string, Dictionary<string, TensorInfo>, AdaptedModule> make = _document.PeftType switch
        {
            "LORA" => Lora(model, out changed),
            _ => Blocks(model),
        };
        return new AdapterContents([.. found.Select(f => make(f.Key, f.Value))], carried) { BaseModel = _json.Text("base_model_name_or_path"), ChangedBase = changed };
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

    private Func<string, Dictionary<string, TensorInfo>, AdaptedModule> Lora(BaseWeights? model, out string? changed)
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
        new LoraConfig { R = rank, LoraAlpha = alpha, RankPattern = ranks, AlphaPattern = alphas }.Check();
        changed = _json.Raw("init_lora_weights") is "null" or "true" or "false" or "\"gaussian\"" or "\"eva\"" or "\"orthogonal\"" ? null : $"init_lora_weights is {Echo.Name(_json.Raw("init_lora_weights"))}";
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

    private Func<string, Dictionary<string, TensorInfo>, AdaptedModule> Blocks(BaseWeights? model)
    {
        AdapterConfig config = PeftConfig.Read(_document);
        foreach (string warning in _document.Warnings)
            Warnings.Add(warning);
        BlockForm? form = config switch
        {
            MissMiniConfig => BlockForm.Mini,
            BatConfig => BlockForm.BatByOutputs,
            BatRowConfig => BlockForm.BatByInputs,
            MissConfig => BlockForm.Balance,
            _ => null,
        };
        string wanted = form == BlockForm.BatByInputs ? BatRowConfig.Tensor : MissKeys.Tensor;
        return (module, tensors) => form is { } known && tensors is { Count: 1 } && tensors.TryGetValue(wanted, out TensorInfo? tensor)
            ? BlockReading.Layer(Tensors, Official(module, model), known, tensor, config.R, (config as MissMiniConfig)?.MiniR)
            : throw Error("PF007", $"'{Echo.Name(tensors.First().Value.Name)}' is no tensor of {config.Method.Name}; the file is another adapter's than {PeftConfig.FileName} says");
    }

    private static string Official(string path, BaseWeights? model) => model is null ? path : model.OfficialOf(path) ?? path;
}
