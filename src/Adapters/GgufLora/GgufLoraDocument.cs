using System.Globalization;
using Marrow.Adapters.Converting;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;

namespace Marrow.Adapters.GgufLora;

/// <summary>A GGUF file of LoRA, opened, after llama.cpp's checks (spec/formats.md §8.1).</summary>
internal sealed class GgufLoraDocument : AdapterDocument
{
    private readonly GgufArchitecture _architecture;
    private readonly double _alpha;
    private readonly OrderedDictionary<string, (TensorInfo? A, TensorInfo? B)> _pairs = [];

    /// <exception cref="ModelFileException">GL001 … GL005, GL009, GL010: it is no adapter's, or not whole; GG030 a key of another type.</exception>
    public GgufLoraDocument(AdapterKind kind, GgufFile file)
        : base(kind, file.Path, file)
    {
        GgufMetadata values = file.Values;
        if (values.Text("general.type") is var type and not "adapter")
            throw values.Error("GL001", "general.type", $"is {(type is null ? "missing" : Echo.Quote(type))}, but an adapter's file says 'adapter'; {(type is null or "model" ? "this is a model: give it as the model, not as the adapter" : "give a file of LoRA")}");
        if (values.Text(GgufLoraKind.TypeKey) is var form and not "lora")
            throw values.Error("GL002", GgufLoraKind.TypeKey, $"is {(form is null ? "missing" : Echo.Quote(form))}, but only 'lora' is known");
        string name = values.Text("general.architecture") ?? throw values.Error("GL003", "general.architecture", "is missing; the file is not whole");
        _architecture = GgufArchitectures.All.FirstOrDefault(a => a.Name == name)
            ?? throw values.Error("GL003", "general.architecture", $"is {Echo.Quote(name)}, which is not supported; supported are {string.Join(", ", GgufArchitectures.All.Select(a => a.Name))}");
        if (values.Values.TryGetValue(GgufLoraKind.AloraKey, out GgufValue? tokens) && tokens.Count > 0)
            throw values.Error("GL010", GgufLoraKind.AloraKey, "makes the adapter begin at certain tokens of the text (aLoRA), which is not supported");
        _alpha = Alpha(values);
        foreach (string warning in file.Warnings)
            Warnings.Add(warning);
        foreach (TensorInfo tensor in file.Tensors.Values)
            Add(tensor);
        if (_pairs.Count == 0)
            throw Error("GL004", "holds no pair of lora_a and lora_b");
        foreach ((string tensor, var (a, b)) in _pairs)
        {
            if (a is null || b is null)
                throw Error("GL004", $"'{Echo.Name(tensor)}' has {(a is null ? "lora_b and no lora_a" : "lora_a and no lora_b")}; the file is not whole");
        }
    }

    protected override AdapterContents Understand(BaseWeights? model)
    {
        if (model is not null && GgufArchitectures.For(model.Config).Name is var wanted && wanted != _architecture.Name)
            throw Error("GL003", $"is an adapter of the architecture {_architecture.Name}, and the base model {Echo.Name(model.Path)} is of {wanted}; give the model that it was trained on");
        List<AdaptedModule> layers = [];
        foreach ((string tensor, var (a, b)) in _pairs)
            layers.Add(Layer(tensor, a!, b!, model));
        return new AdapterContents(layers, []) { Unresolved = model is null ? [.. _pairs.Keys] : [] };
    }

    private LowRankLayer Layer(string tensor, TensorInfo a, TensorInfo b, BaseWeights? model)
    {
        bool embedding = tensor == GgufLoraKind.Embedding;
        AdapterMatrix down = AdapterMatrix.Of(Tensors, a.Name), up = AdapterMatrix.Of(Tensors, b.Name);
        if (embedding)
            down = down.Transposed();
        const string Ending = ".weight";
        string? official = _architecture.OfficialOf(tensor);
        string? module = official?.EndsWith(Ending, StringComparison.Ordinal) == true ? official[..^Ending.Length] : null;
        if (model is not null)
        {
            (int rows, int columns) = module is null ? default : model.SizeOf(module) ?? default;
            if (rows == 0 || (module == "lm_head" && model.IsTied))
                throw Error("GL006", $"'{Echo.Name(tensor)}' is no matrix of the base model {Echo.Name(model.Path)} ({model.Config.ModelType}); give the model that the adapter was trained on");
            (int inputs, int outputs) = embedding ? (rows, columns) : (columns, rows);
            if (down.Columns != inputs || up.Rows != outputs)
            {
                bool turned = !embedding && a.Shape.Count == 2 && a.Shape[0] == columns;
                throw turned ? Error("GL008", $"'{Echo.Name(a.Name)}' is {a.ShapeText}, turned against [r,{columns}]: such files come from an old program of llama.cpp (finetune) and are not read any more")
                    : Error("GL007", $"'{Echo.Name(tensor)}' has lora_a {a.ShapeText} and lora_b {b.ShapeText}, but the base's weight [{rows},{columns}] needs {(embedding ? $"[{rows},r] and [{columns},r]" : $"[r,{columns}] and [{rows},r]")}; give the model that the adapter was trained on");
            }
        }
        if (down.Rows != up.Columns)
            throw Error(down.Columns == up.Columns ? "GL008" : "GL007", $"'{Echo.Name(tensor)}' has lora_a {a.ShapeText} and lora_b {b.ShapeText}, which have no rank in common; {(embedding ? "[vocabulary,r] and [channels,r]" : "[r,inputs] and [outputs,r]")} are needed");
        if (model is not null)
            up = Official(up, official!, model);
        return new LowRankLayer(module ?? tensor, down, up, new LoraScale(_alpha == 0 ? down.Rows : _alpha)) { IsEmbedding = embedding };
    }

    private AdapterMatrix Official(AdapterMatrix up, string official, BaseWeights model)
    {
        if (GgufLoraKind.RowOrder(_architecture, official, model, up) is { } order)
        {
            var back = new int[order.Length];
            for (int i = 0; i < order.Length; i++)
                back[order[i]] = i;
            up = up.WithRows(back);
        }
        return up.Times(_architecture.DivisorOf(official, model.Config));
    }

    private void Add(TensorInfo tensor)
    {
        string? ending = new[] { GgufLoraKind.A, GgufLoraKind.B }.FirstOrDefault(e => tensor.Name.EndsWith(e, StringComparison.Ordinal));
        if (ending is null)
        {
            if (!tensor.Name.EndsWith("_norm.weight", StringComparison.Ordinal))
                throw Error("GL005", $"tensor '{Echo.Name(tensor.Name)}' {tensor.ShapeText} ends in neither lora_a nor lora_b; the file holds more than LoRA, or is another program's");
            Warnings.Add($"{Path}: '{Echo.Name(tensor.Name)}' is a norm's weight, which llama.cpp leaves aside; so it is here");
            return;
        }
        string pair = tensor.Name[..^ending.Length];
        _pairs.TryGetValue(pair, out var has);
        _pairs[pair] = ending == GgufLoraKind.A ? has with { A = tensor } : has with { B = tensor };
    }

    // As llama.cpp reads it: none, and 0, mean a factor of 1.
    private static double Alpha(GgufMetadata values)
    {
        if (!values.Values.TryGetValue(GgufLoraKind.AlphaKey, out GgufValue? value))
            return 0;
        double alpha = value.Content is double real ? real : values.Number(GgufLoraKind.AlphaKey)!.Value;
        return double.IsFinite(alpha) && alpha >= 0 ? alpha : throw values.Error("GL009", GgufLoraKind.AlphaKey, string.Create(CultureInfo.InvariantCulture, $"is {alpha}, but must be a finite number that is not negative"));
    }
}
