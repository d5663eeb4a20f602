using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Host.Models;

/// <summary>What <c>--model</c> and <c>model.path</c> may name.</summary>
internal static class ModelPath
{
    private static readonly string[] NotRead = [".gguf", ".pth", ".pt", ".bin", ".ckpt"];

    /// <summary>The Hugging Face folder that is meant: the path itself, or that of its model.safetensors.</summary>
    /// <exception cref="MarrowException">MP001: a kind of file that this version does not read.</exception>
    public static string Folder(string path)
    {
        RefuseUnread(path);
        return File.Exists(path) && Path.GetFileName(path) is SafetensorsFolder.SingleFile or SafetensorsFolder.IndexFile
            ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
    }

    /// <summary>Throws where the name's ending tells a kind of file that this version does not read.</summary>
    /// <exception cref="MarrowException">MP001.</exception>
    public static void RefuseUnread(string path)
    {
        string ending = Path.GetExtension(path).ToLowerInvariant();
        if (NotRead.Contains(ending) && File.Exists(path))
            throw new MarrowException("MP001", $"{Echo.Name(path, 300)}: {ending} files are not read by this version; give a Hugging Face folder with safetensors weights");
    }
}
