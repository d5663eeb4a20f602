using System.Globalization;
using Marrow.Adapters.Converting;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Mlx;

/// <summary>A folder of mlx-lm, opened.</summary>
internal sealed class MlxDocument : AdapterDocument
{
    private static readonly string[] Embeddings = ["embed_tokens", "embeddings", "wte", "emb"];
    private readonly double _scale;
    private readonly double? _alpha;
    private readonly bool _isDora;

    private MlxDocument(AdapterKind kind, string path, JsonFields json, SafetensorsFile tensors)
        : base(kind, path, tensors)
    {
        string type = json.Text("fine_tune_type") ?? "lora";
        if (type is not ("lora" or "dora"))
            throw json.Error("ML002", "fine_tune_type", type == "full" ? "is \"full\": the folder holds whole weights and no adapter; put them into the model with mlx-lm (mlx_lm.fuse)"
                : $"is {Echo.Quote(type)}; known are \"lora\" and \"dora\"");
        _isDora = type == "dora";
        JsonFields parameters = json.Object("lora_parameters") ?? throw json.Error("ML002", "lora_parameters", "is missing; it holds the scale");
        // mlx-lm's default.
        _scale = parameters.Number("scale") ?? 20;
        _alpha = parameters.Number("alpha");
        foreach (string warning in tensors.Warnings)
            Warnings.Add(warning);
    }

    /// <summary>Whether a folder's adapter_config.json is mlx-lm's; a broken one is not.</summary>
    public static bool IsConfig(string path)
    {
        try
        {
            JsonFields json = PeftFolder.ReadConfig(path);
            return json.Has("lora_parameters") || json.Has("fine_tune_type");
        }
        catch (ModelFileException)
        {
            return false;
        }
    }

    /// <exception cref="ModelFileException">ML001 a file is missing; ML002 the configuration; otherwise as <see cref="SafetensorsFile.Open"/>.</exception>
    public static MlxDocument Open(AdapterKind kind, string path)
    {
        string tensors = System.IO.Path.Combine(path, MlxKind.TensorFile);
        if (!File.Exists(tensors) || !File.Exists(System.IO.Path.Combine(path, PeftConfig.FileName)))
            throw new ModelFileException("ML001", path, $"is no whole adapter of mlx-lm: {(File.Exists(tensors) ? PeftConfig.FileName : MlxKind.TensorFile)} is missing; fetch it from where the adapter came from");
        JsonFields json = PeftFolder.ReadConfig(path);
        SafetensorsFile file = SafetensorsFile.Open(tensors);
        try
        {
            return new MlxDocument(kind, path, json, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    protected override AdapterContents Understand(BaseWeights? model)
    {
        OrderedDictionary<string, (AdapterMatrix? A, AdapterMatrix? B, AdapterMatrix? M)> found = [];
        foreach (string name in Tensors.Tensors.Keys)
        {
            int dot = name.LastIndexOf('.');
            string path = dot < 0 ? "" : name[..dot], last = name[(dot + 1)..];
            if (last is not ("lora_a" or "lora_b" or "m"))
                throw Error("ML003", $"tensor '{Echo.Name(name)}' is none of an adapter's (lora_a, lora_b{(_isDora ? ", m" : "")}); was it saved by a training of whole weights?");
            found.TryGetValue(path, out var layer);
            AdapterMatrix matrix = AdapterMatrix.Of(Tensors, name);
            found[path] = last switch { "lora_a" => layer with { A = matrix.Transposed() }, "lora_b" => layer with { B = matrix.Transposed() }, _ => layer with { M = matrix } };
        }
        if (found.Count == 0)
            throw Error("ML003", "holds no tensors of an adapter");
        List<AdaptedModule> layers = [];
        foreach ((string path, var (a, b, m)) in found)
        {
            LowRankLayer layer = Pair(model?.OfficialOf(path) ?? path, a, b, r => new LoraScale(_scale * r), Embeddings.Contains(path[(path.LastIndexOf('.') + 1)..]));
            if (_alpha is { } alpha && alpha != layer.Rank)
                throw Error("ML004", string.Create(CultureInfo.InvariantCulture, $"has lora_parameters with scale {_scale} and alpha {alpha} for rank {layer.Rank}: until June 2024 mlx-lm multiplied by scale·alpha/rank, since then by the scale alone. ")
                    + $"Take alpha out of {PeftConfig.FileName}, and set scale there to {(_scale * alpha / layer.Rank).ToString("R", CultureInfo.InvariantCulture)} if the adapter is that old");
            if (m is not null && layer.IsEmbedding)
                throw Error("AC002", $"module '{Echo.Name(path)}' is an embedding with DoRA, which is not supported; put the adapter into the model with mlx-lm (mlx_lm.fuse)");
            if (_isDora != m is not null)
                throw Error("AC002", $"module '{Echo.Name(path)}' has {(m is null ? "no magnitudes (m), although" : "magnitudes (m), but")} fine_tune_type is {(_isDora ? "dora" : "lora")}; the file is not whole, or another adapter's");
            layers.Add(layer with { Magnitude = m });
        }
        return new AdapterContents(layers, []);
    }
}
