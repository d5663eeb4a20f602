using Marrow.Formats;

namespace Marrow.Host.Models;

/// <summary>What <c>--model</c> and <c>model.path</c> may name.</summary>
internal static class ModelPath
{
    private static readonly string[] NotRead = [".gguf"];

    /// <summary>The path, unless its ending tells a kind of file that this version does not read.</summary>
    /// <exception cref="MarrowException">MP001.</exception>
    public static string Checked(string path)
    {
        RefuseUnread(path);
        return path;
    }

    /// <summary>The folder where a model's tokenizer lies.</summary>
    /// <exception cref="MarrowException">MP001: a kind of file that this version does not read.</exception>
    public static string Folder(string path)
    {
        RefuseUnread(path);
        return File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
    }

    /// <summary>Throws where the name's ending tells a kind of file that this version does not read.</summary>
    /// <exception cref="MarrowException">MP001.</exception>
    public static void RefuseUnread(string path)
    {
        string ending = Path.GetExtension(path).ToLowerInvariant();
        if (NotRead.Contains(ending) && File.Exists(path))
            throw new MarrowException("MP001", $"{Echo.Name(path, 300)}: {ending} files are not read by this version; give a Hugging Face folder with safetensors weights, or the .pth of an RWKV model");
    }
}
