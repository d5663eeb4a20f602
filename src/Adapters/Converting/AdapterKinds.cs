using Marrow.Adapters.GgufLora;
using Marrow.Adapters.Kohya;
using Marrow.Adapters.Mlx;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Converting;

/// <summary>The kinds of adapter files there are. A new one adds its line here and a folder of its own. The first that recognises a path counts.</summary>
public static class AdapterKinds
{
    /// <summary>Every kind.</summary>
    public static IReadOnlyList<AdapterKind> All { get; } = [new GgufLoraKind(), new MlxKind(), new KohyaKind(), new RwkvPeftKind(), new PeftKind()];

    /// <summary>The kind of a name.</summary>
    /// <exception cref="MarrowException">AC003 there is none.</exception>
    public static AdapterKind Find(string name) => All.FirstOrDefault(k => k.Name == name) ?? throw new MarrowException("AC003",
        $"There is no adapter kind '{Echo.Name(name)}'{NearNames.Hint(name, All.Select(k => k.Name))} The kinds are {string.Join(", ", All.Select(k => $"{k.Name} ({k.Description})"))}. [AC003]");

    /// <summary>The kind of a file or folder, by its content; whatever else a folder is, it is taken for PEFT's and refused there by name.</summary>
    /// <exception cref="ModelFileException">AC003 it is no adapter's.</exception>
    public static AdapterKind Of(string path) => All.FirstOrDefault(k => k.Recognises(path)) ?? throw new ModelFileException("AC003", Echo.Name(path),
        (File.Exists(path) ? "is no adapter that can be read" : "there is no such file or folder") + $"; adapters are {string.Join(", ", All.Select(k => $"{k.Name} ({k.Description})"))}");

    /// <summary>Whether a path holds an adapter rather than a model, by its content.</summary>
    /// <exception cref="ModelFileException">The file cannot be read.</exception>
    public static bool IsAdapter(string path)
    {
        if (Directory.Exists(path))
            return File.Exists(Path.Combine(path, PeftConfig.FileName)) || File.Exists(Path.Combine(path, MlxKind.TensorFile));
        if (!File.Exists(path))
            return false;
        if (GgufFile.IsGguf(path))
        {
            using GgufFile file = GgufFile.Open(path);
            return file.Values.Text("general.type") == "adapter";
        }
        using ModelWeights weights = ModelWeights.OfFile(path);
        return RwkvPeftFile.IsPresent(weights.Tensors) || weights.Tensors.Tensors.Keys.Any(KohyaDocument.IsKey);
    }
}
