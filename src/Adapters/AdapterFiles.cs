using Marrow.Adapters.Converting;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Engine;
using Marrow.Engine.Models;
using Marrow.Formats;

namespace Marrow.Adapters;

/// <summary>An adapter's files: what they say, and their tensors, opened but not read.</summary>
public abstract class AdapterFiles : IDisposable
{
    /// <summary>Files at <paramref name="path"/>, whose tensors become this object's.</summary>
    protected AdapterFiles(string path, ITensorSource tensors) => (Path, Tensors) = (path, tensors);

    /// <summary>The folder or file.</summary>
    public string Path { get; }

    /// <summary>The tensors, under the names in the file.</summary>
    public ITensorSource Tensors { get; }

    /// <summary>What the files say of the adapter.</summary>
    public abstract AdapterConfig Config { get; }

    /// <summary>What was odd but allowed, one sentence each.</summary>
    public abstract IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens adapter files of any kind; LoRA of RWKV-PEFT needs <paramref name="loraAlpha"/>.</summary>
    /// <exception cref="MarrowException">As <see cref="PeftFolder.Open"/>, <see cref="RwkvPeftFile.Open"/> and the readers of other kinds; RP006 alpha for files that have their own.</exception>
    public static AdapterFiles Open(string path, double? loraAlpha = null)
    {
        if (AdapterKinds.All.FirstOrDefault(k => k.Recognises(path)) is { } kind and not (PeftKind or RwkvPeftKind))
            return ForeignAdapter.Open(kind, path, loraAlpha);
        if (File.Exists(path))
            return RwkvPeftFile.Open(path, loraAlpha);
        return loraAlpha is null ? PeftFolder.Open(path) : throw new ModelFileException("RP006", Echo.Name(path), "a folder says its lora_alpha itself; leave the given one out");
    }

    /// <summary>Whether files at a path say LoRA's scale themselves; only those of RWKV-PEFT do not.</summary>
    public static bool HoldsScale(string path) => AdapterKinds.All.FirstOrDefault(k => k.Recognises(path)) is not RwkvPeftKind;

    /// <inheritdoc/>
    public void Dispose()
    {
        Tensors.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The settings with which the adapter goes on a model.</summary>
    /// <exception cref="MarrowException">The model is not the adapter's.</exception>
    internal virtual AdapterConfig ConfigFor(CausalModel model) => Config;

    /// <summary>The tensors to be matched with the model's, after <see cref="ConfigFor"/>.</summary>
    internal virtual ITensorSource Values => Tensors;

    /// <summary>The file's name of each expected tensor, after checking that the file holds exactly these, in these shapes.</summary>
    /// <exception cref="ModelFileException">PF006 a tensor is missing; PF007 one belongs nowhere; PF008 two are the same; TS002 another shape.</exception>
    internal IReadOnlyDictionary<string, string> Match(CausalModel model, IReadOnlyList<(string Name, Shape Shape)> expected, IReadOnlySet<string> stems)
    {
        Dictionary<string, string> stored = [];
        Func<string, string> keyOf = KeysFor(model, stems);
        foreach (string name in Values.Tensors.Keys)
        {
            string key = keyOf(name);
            if (!stored.TryAdd(key, name))
                throw new ModelFileException("PF008", Tensors.Path, $"'{Echo.Name(name)}' and '{Echo.Name(stored[key])}' are the same tensor; does the file hold two adapters?");
        }
        HashSet<string> names = [.. expected.Select(e => e.Name)];
        string[] missing = [.. names.Where(n => !stored.ContainsKey(n))];
        if (missing.Length > 0)
            throw new ModelFileException("PF006", Tensors.Path, $"{missing.Length} of {names.Count} tensors that the configuration and the model ask for are missing: "
                + $"{Some(missing)}; are all files this adapter's, and the model its base?");
        string[] left = [.. stored.Where(s => !names.Contains(s.Key)).Select(s => s.Value)];
        if (left.Length > 0)
            throw new ModelFileException("PF007", Tensors.Path, $"{left.Length} tensors belong to no adapted layer: {Some(left)}; "
                + "target_modules or modules_to_save leaves their modules out, or the model is not the adapter's base");
        foreach ((string name, Shape shape) in expected)
            Values.Require(stored[name], TensorFiles.Dimensions(shape));
        return stored;
    }

    /// <summary>Tells the name that an <see cref="AdaptedModel"/> gives a tensor by its name in the file; <paramref name="stems"/> are the first words of the method's tensors.</summary>
    protected abstract Func<string, string> KeysFor(CausalModel model, IReadOnlySet<string> stems);

    private static string Some(string[] names) => string.Join(", ", names.Take(5).Select(n => Echo.Name(n))) + (names.Length > 5 ? ", …" : "");
}
