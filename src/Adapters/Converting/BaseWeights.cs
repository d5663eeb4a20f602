using Marrow.Engine;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;

namespace Marrow.Adapters.Converting;

/// <summary>What conversions need of the base model: its configuration, the names and sizes of its modules, and its values where the change depends on them.</summary>
public sealed class BaseWeights
{
    private const string Ending = ".weight";
    private readonly Dictionary<string, (int Rows, int Columns)> _modules = [];
    private readonly Dictionary<string, string> _officialByPath = [];
    private readonly HashSet<string> _names;

    /// <summary>The base in these files, which must stay open.</summary>
    public BaseWeights(ModelFolder folder)
        : this(folder.Path, folder.Config, folder.Tensors, folder.Tensors.Tensors.Values.Select(t => (t.Name, t.Shape)))
    {
    }

    /// <summary>The base in memory; its values are not asked for.</summary>
    internal BaseWeights(CausalModel model)
        : this(model.ModelType, model.Config, null, model.Weights.Select(w => (w.Name, (IReadOnlyList<long>)TensorFiles.Dimensions(w.Value.Shape))))
    {
    }

    private BaseWeights(string path, ModelConfig config, ITensorSource? tensors, IEnumerable<(string Name, IReadOnlyList<long> Shape)> all)
    {
        (Path, Config, Tensors) = (path, config, tensors);
        List<string> names = [];
        foreach ((string name, IReadOnlyList<long> shape) in all)
        {
            names.Add(name);
            if (shape.Count == 2 && name.EndsWith(Ending, StringComparison.Ordinal) && shape.All(d => d <= int.MaxValue))
                _modules.Add(name[..^Ending.Length], ((int)shape[0], (int)shape[1]));
        }
        IsTied = config is LlamaConfig { TiedEmbeddings: true };
        if (IsTied && _modules.TryGetValue("model.embed_tokens", out var embedding))
            _modules.TryAdd("lm_head", embedding);
        _names = [.. names];
        foreach (string name in names.Select(ModuleOf).Concat(_modules.Keys).Distinct())
        {
            _officialByPath.TryAdd(name, name);
            _officialByPath.TryAdd(PathOf(name), name);
        }
    }

    /// <summary>Where it lies.</summary>
    public string Path { get; }

    /// <summary>Its configuration.</summary>
    public ModelConfig Config { get; }

    /// <summary>Its weights under official names; null for a model in memory.</summary>
    public ITensorSource? Tensors { get; }

    /// <summary>Whether the head is the embedding itself.</summary>
    public bool IsTied { get; }

    /// <summary>The official paths of the modules with a matrix, embeddings and head among them.</summary>
    public IEnumerable<string> Modules => _modules.Keys;

    /// <summary>The linear layers within the blocks, which adapters usually mean.</summary>
    public IEnumerable<string> Linears => _modules.Keys.Where(IsInBlock);

    /// <summary>Outputs and inputs of a module (rows and columns of its weight); null where it has none.</summary>
    public (int Rows, int Columns)? SizeOf(string module) => _modules.TryGetValue(module, out var size) ? size : null;

    /// <summary>The name that the model's own files give a module, by its official path.</summary>
    public string PathOf(string official) => Config is RwkvConfig rwkv ? rwkv.ModulePath(official) : official;

    /// <summary>A module's official path by the name in the model's own files, or by itself; null where there is no such module.</summary>
    public string? OfficialOf(string path) => _officialByPath.GetValueOrDefault(path);

    /// <summary>Whether a tensor of this official name is one of the model's.</summary>
    public bool Has(string tensor) => _names.Contains(tensor);

    /// <summary>The official names of all tensors of a module.</summary>
    public IEnumerable<string> TensorsOf(string module) => _names.Where(n => ModuleOf(n) == module);

    /// <summary>The module of a tensor: its name without ".weight" or ".bias".</summary>
    internal static string ModuleOf(string tensor) => tensor.EndsWith(Ending, StringComparison.Ordinal) || tensor.EndsWith(".bias", StringComparison.Ordinal)
        ? tensor[..tensor.LastIndexOf('.')] : tensor;

    /// <summary>Whether a path has a number between dots, as the layers of all models have.</summary>
    internal static bool IsInBlock(string path)
    {
        foreach (string part in path.Split('.'))
        {
            if (part.Length > 0 && part.All(char.IsAsciiDigit))
                return true;
        }
        return false;
    }
}
