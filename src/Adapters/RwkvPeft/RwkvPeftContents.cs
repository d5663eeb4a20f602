using Marrow.Adapters.Methods;
using Marrow.Adapters.Targets;
using Marrow.Formats;

namespace Marrow.Adapters.RwkvPeft;

/// <summary>What the names and shapes of an RWKV-PEFT file say: which method, on which layers, and what else was trained (spec/adapters.md §5).</summary>
internal sealed class RwkvPeftContents
{
    /// <summary>The prefix of names in some files.</summary>
    public const string Prefix = "model.";

    /// <summary>The endings of files that are read.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".pth", ".pt", ".bin", ".safetensors"];

    private const string LoraA = "lora_A", LoraB = "lora_B";
    private const int LargestRank = 1 << 20;

    private readonly ITensorSource _tensors;
    private readonly Dictionary<string, (TensorInfo? A, TensorInfo? B)> _lora = [];
    private readonly Dictionary<string, TensorInfo> _blocks = [];
    private readonly List<string> _saved = [];
    private bool _states;

    /// <summary>Sorts the tensors by their names.</summary>
    /// <exception cref="ModelFileException">RP001 … RP005.</exception>
    public RwkvPeftContents(ITensorSource tensors)
    {
        _tensors = tensors;
        foreach (TensorInfo tensor in tensors.Tensors.Values)
            Add(tensor);
        if (_lora.Count > 0 && _blocks.Count > 0)
            throw Error("RP004", $"holds both LoRA ({_lora.Keys.First()}) and Bone or Bat ({_blocks.Keys.First()}); a file of one adapter has one method");
        if (_lora.Count == 0 && _blocks.Count == 0 && !_states)
            throw Error("RP001", _saved.Contains("emb.weight") ? "holds no adapter, but a whole model; merge nothing, and give it as the model"
                : $"holds no adapter: no name ends in {LoraA}, {LoraB}, disha, bone or time_state"
                    + (tensors.Tensors.Keys.Any(n => n.StartsWith(Peft.PeftKeys.Prefix, StringComparison.Ordinal)) ? "; these are a PEFT adapter's tensors, give their folder" : ""));
    }

    /// <summary>Layers with three-dimensional blocks: Bat.</summary>
    public bool IsBat { get; private set; }

    /// <summary>Whether the layers carry LoRA factors, whose scale the file does not hold.</summary>
    public bool IsLora => _lora.Count > 0;

    /// <summary>The adapted layers, by their official paths.</summary>
    public IEnumerable<string> Layers => IsLora ? _lora.Keys : _blocks.Keys;

    /// <summary>Tensors that take the place of the model's own, under their names there.</summary>
    public IReadOnlyList<string> Saved => _saved;

    /// <summary>The blocks' shapes by layer, for Bat.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Blocks => _blocks;

    /// <summary>A name without the prefix.</summary>
    public static string Plain(string name) => name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;

    /// <summary>Whether a file with these names is an adapter's; a model's may hold states too.</summary>
    public static bool IsPresent(IEnumerable<string> names)
    {
        string[] own = [.. names.Where(n => !n.StartsWith(Peft.PeftKeys.Prefix, StringComparison.Ordinal)).Select(Plain)];
        return own.Any(n => LastOf(n) is LoraA or LoraB or "init_lora_A" or "init_lora_B" or "disha" or "bone")
            || (own.Any(n => LastOf(n) == "time_state") && !own.Contains("blocks.0.att.key.weight"));
    }

    /// <summary>The adapter's settings; LoRA with <paramref name="alpha"/>, Bat tied by inputs. <paramref name="pathOf"/> gives the path of a layer in the model.</summary>
    /// <exception cref="ModelFileException">RP005 shapes that do not belong together.</exception>
    public AdapterConfig Config(double? alpha, Func<string, string> pathOf)
    {
        AdapterConfig config = IsLora ? Lora(alpha, pathOf) : _blocks.Count > 0 ? Blocked() : new StateConfig();
        ModulePattern? layers = config.AdaptsLayers ? new([.. Layers.Select(pathOf)]) : null;
        return config with { TrainStates = _states, TaskType = null, Targets = new TargetSelection { TargetModules = layers, ModulesToSave = _saved } };
    }

    private static string LastOf(string name) => name[(name.LastIndexOf('.') + 1)..];

    private void Add(TensorInfo tensor)
    {
        string name = Plain(tensor.Name);
        int dot = name.LastIndexOf('.');
        string layer = dot > 0 ? name[..dot] : "";
        switch (LastOf(name))
        {
            case LoraA:
                _lora[layer] = (tensor, _lora.GetValueOrDefault(layer).B);
                break;
            case LoraB:
                _lora[layer] = (_lora.GetValueOrDefault(layer).A, tensor);
                break;
            case "disha" or "bone":
                if (!_blocks.TryAdd(layer, tensor))
                    throw Error("RP004", $"'{Echo.Name(tensor.Name)}' and '{Echo.Name(_blocks[layer].Name)}' are blocks of the same layer");
                break;
            case "init_lora_A" or "init_lora_B":
                throw Error("RP003", $"'{Echo.Name(tensor.Name)}' is the start of a PiSSA adapter, which belongs to a changed base model; such adapters are not supported, merge them with RWKV-PEFT");
            case "time_state":
                _states = true;
                break;
            default:
                _saved.Add(name);
                break;
        }
    }

    private LoraConfig Lora(double? alpha, Func<string, string> pathOf)
    {
        var ranks = new List<(string Layer, int Rank)>();
        foreach ((string layer, (TensorInfo? a, TensorInfo? b)) in _lora)
        {
            if (a is null || b is null)
                throw Error("RP005", $"layer '{Echo.Name(layer)}' has {(a is null ? LoraB : LoraA)} and no {(a is null ? LoraA : LoraB)}; the file is not whole");
            if (a.Shape.Count != 2 || b.Shape.Count != 2 || a.Shape[0] != b.Shape[1] || a.Shape[0] is < 1 or > LargestRank)
                throw Error("RP005", $"layer '{Echo.Name(layer)}' has {LoraA} {a.ShapeText} and {LoraB} {b.ShapeText}; [r, inputs] and [outputs, r] are needed");
            ranks.Add((layer, (int)a.Shape[0]));
        }
        int usual = ranks.GroupBy(r => r.Rank).MaxBy(g => g.Count())!.Key;
        return new LoraConfig
        {
            R = usual,
            LoraAlpha = alpha ?? usual,
            RankPattern = new([.. ranks.Where(r => r.Rank != usual).Select(r => (System.Text.RegularExpressions.Regex.Escape(pathOf(r.Layer)), (double)r.Rank))]),
        };
    }

    private AdapterConfig Blocked()
    {
        (string first, TensorInfo one) = _blocks.First();
        int r = (int)Math.Min(one.Shape.Count == 3 ? one.Shape[2] : one.Shape.Count == 2 ? one.Shape[0] : 0, int.MaxValue);
        foreach ((string layer, TensorInfo block) in _blocks)
        {
            bool fits = block.Shape.Count == one.Shape.Count && (block.Shape.Count == 3 ? block.Shape[1] == r && block.Shape[2] == r : block.Shape.Count == 2 && block.Shape[0] == r);
            if (!fits || r is < 1 or > LargestRank)
                throw Error("RP005", $"the blocks of '{Echo.Name(first)}' {one.ShapeText} and '{Echo.Name(layer)}' {block.ShapeText} do not belong together; "
                    + "[r, outputs] (Bone) or [inputs / r, r, r] (Bat) with the same r in all layers are needed");
        }
        IsBat = one.Shape.Count == 3;
        return IsBat ? new BatRowConfig { R = r } : new MissConfig { R = r };
    }

    private ModelFileException Error(string code, string message) => new(code, _tensors.Path, message);
}
