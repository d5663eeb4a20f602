using Marrow.Adapters.RwkvPeft;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Marrow.Host.Models;

namespace Marrow.Host.Inspecting;

/// <summary>Finds out what a path holds and looks at it.</summary>
internal static class FileInspection
{
    /// <summary>Looks at a file or folder.</summary>
    /// <exception cref="MarrowException">IN001: nothing there that can be inspected; MP001: a kind of file that is not read.</exception>
    public static Inspection Of(string path, bool values, CancellationToken stopping)
    {
        ModelPath.RefuseUnread(path);
        if (Directory.Exists(path))
        {
            return File.Exists(Path.Combine(path, "adapter_config.json")) ? AdapterInspection.Of(path, values, stopping)
                : File.Exists(Path.Combine(path, "config.json")) || SafetensorsFolder.IsPresent(path) ? ModelInspection.Of(path, values, stopping)
                : Folder(path, values, stopping);
        }
        var found = new Inspection($"{Path.GetExtension(path).TrimStart('.')} file", path);
        using ModelWeights? weights = found.Try(() => ModelWeights.OfFile(path));
        if (weights is not null && RwkvPeftFile.IsPresent(weights.Tensors))
            return AdapterInspection.OfFile(path, values, stopping);
        if (weights is not null && RwkvConfig.IsPresent(weights.Tensors))
            return ModelInspection.OfCheckpoint(path, weights, values, stopping);
        Add(found, weights, values, stopping);
        return found;
    }

    /// <summary>Adds every safetensors file of a folder.</summary>
    public static void AddEach(Inspection found, string folder, bool values, CancellationToken stopping)
    {
        foreach (string file in SafetensorsFiles(folder))
            AddFile(found, file, values, stopping);
    }

    private static Inspection Folder(string path, bool values, CancellationToken stopping)
    {
        if (!SafetensorsFiles(path).Any())
            throw new MarrowException("IN001", $"{Echo.Name(path, 300)}: holds neither config.json, adapter_config.json nor a .safetensors file; give a model, an adapter or a safetensors file");
        var found = new Inspection("safetensors folder", path);
        AddEach(found, path, values, stopping);
        return found;
    }

    private static IEnumerable<string> SafetensorsFiles(string folder) =>
        Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal);

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
