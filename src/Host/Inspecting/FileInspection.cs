using Marrow.Adapters.Converting;
using Marrow.Adapters.RwkvPeft;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;

namespace Marrow.Host.Inspecting;

/// <summary>Finds out what a path holds and looks at it.</summary>
internal static class FileInspection
{
    /// <summary>Looks at a file or folder.</summary>
    /// <exception cref="MarrowException">IN001: nothing there that can be inspected.</exception>
    public static Inspection Of(string path, bool values, CancellationToken stopping)
    {
        if (!Path.Exists(path))
            throw new MarrowException("IN001", $"{Echo.Name(path, 300)}: there is no such file or folder; check the path");
        // PEFT's and RWKV-PEFT's are looked at as what they are trained from.
        if (Other(path) is { } kind)
            return AdapterInspection.OfOther(kind, path, values, stopping);
        if (Directory.Exists(path))
        {
            return File.Exists(Path.Combine(path, "adapter_config.json")) ? AdapterInspection.Of(path, values, stopping)
                : File.Exists(Path.Combine(path, "config.json")) || SafetensorsFolder.IsPresent(path) ? ModelInspection.Of(path, values, stopping)
                : Folder(path, values, stopping);
        }
        if (File.Exists(path) && GgufFile.IsGguf(path))
            return ModelInspection.OfGguf(path, values, stopping);
        var found = new Inspection($"{Path.GetExtension(path).TrimStart('.')} file", path);
        using ModelWeights? weights = found.Try(() => ModelWeights.OfFile(path));
        if (weights is not null && RwkvPeftFile.IsPresent(weights.Tensors))
            return AdapterInspection.OfFile(path, values, stopping);
        if (weights is not null && (RwkvConfig.IsAnyVersion(weights.Tensors) || FlaTensors.NamingOf(weights.Tensors) is not null))
            return ModelInspection.OfCheckpoint(path, weights, values, stopping);
        Add(found, weights, values, stopping);
        return found;
    }

    private static AdapterKind? Other(string path)
    {
        try
        {
            return AdapterKinds.IsAdapter(path) && AdapterKinds.Of(path) is var kind and not (PeftKind or RwkvPeftKind) ? kind : null;
        }
        catch (ModelFileException)
        {
            // The look at the file that follows tells all that is wrong with it.
            return null;
        }
    }

    /// <summary>Adds every weight file of a folder.</summary>
    public static void AddEach(Inspection found, string folder, bool values, CancellationToken stopping)
    {
        foreach (string file in ModelWeights.FilesOf(folder))
            AddFile(found, file, values, stopping);
    }

    // Without a configuration: shards without their index, or checkpoints, each of which stands alone.
    private static Inspection Folder(string path, bool values, CancellationToken stopping)
    {
        switch (ModelWeights.FilesOf(path))
        {
            case []:
                throw new MarrowException("IN001", $"{Echo.Name(path, 300)}: holds neither config.json, adapter_config.json nor a .safetensors, .gguf or .pth file; give a model, an adapter or a weight file");
            case [var only]:
                return Of(only, values, stopping);
            case var files:
                bool shards = files.All(f => Path.GetExtension(f).Equals(".safetensors", StringComparison.OrdinalIgnoreCase));
                var found = new Inspection(shards ? "safetensors folder" : "folder of weight files", path);
                if (shards)
                    AddEach(found, path, values, stopping);
                // As they lie there, no command takes the folder.
                found.Try(() => ModelWeights.OfFolder(path));
                return found;
        }
    }

    private static void AddFile(Inspection found, string path, bool values, CancellationToken stopping)
    {
        using ModelWeights? weights = found.Try(() => ModelWeights.OfFile(path));
        Add(found, weights, values, stopping);
    }

    private static void Add(Inspection found, ModelWeights? weights, bool values, CancellationToken stopping)
    {
        if (weights is null)
            return;
        found.Warnings.AddRange(weights.Warnings);
        found.Add(weights.Tensors, values, stopping);
    }
}
