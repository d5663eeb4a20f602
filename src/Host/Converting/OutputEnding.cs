using Marrow.Formats;

namespace Marrow.Host.Converting;

/// <summary>Finds file names that would become folders, because their ending is mistyped or another program's.</summary>
internal static class OutputEnding
{
    private static readonly string[] Foreign = [".bin", ".ggml", ".onnx", ".ckpt", ".npz", ".npy", ".h5", ".json", ".txt", ".zip", ".tar", ".gz", ".msgpack", ".mlmodel"];

    /// <summary>Checks a path that no kind was named for and that would be a folder; folders' names may well have dots (Llama-3.2-1B).</summary>
    /// <param name="path">What is to be written.</param>
    /// <param name="known">The endings of the kinds that are files.</param>
    /// <param name="folder">The kind that is a folder.</param>
    /// <exception cref="MarrowException">CL012.</exception>
    public static void RequireFolder(string path, IEnumerable<string> known, string folder)
    {
        string ending = Path.GetExtension(path);
        string hint = ending.Length < 3 ? "" : NearNames.Hint(ending, known);
        if (hint.Length > 0 || Foreign.Contains(ending, StringComparer.OrdinalIgnoreCase))
            throw new MarrowException("CL012", $"{Echo.Name(path, 300)}: {Echo.Quote(ending)} is the ending of no file that is written here{(hint.Length > 0 ? $"{hint} Choose" : "; choose")} another name, or name the kind (--to {folder} writes a folder)");
    }
}
