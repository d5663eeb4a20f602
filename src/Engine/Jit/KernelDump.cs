using System.Globalization;
using Marrow.Formats;

namespace Marrow.Engine.Jit;

/// <summary>
/// Writes the text of every kernel that a device uses into a folder: "Entry.cl", and "Entry.2.cl" and so on for its further variants
/// in the order of their first use.
/// </summary>
internal sealed class KernelDump(string folder, string extension)
{
    private readonly Dictionary<string, int> _variants = [];

    /// <summary>Writes one text.</summary>
    /// <exception cref="MarrowException">IO008 or IO009 the file cannot be written.</exception>
    public void Write(KernelText text)
    {
        int variant = _variants[text.Entry] = _variants.GetValueOrDefault(text.Entry) + 1;
        string number = variant == 1 ? "" : $".{variant.ToString(CultureInfo.InvariantCulture)}";
        AtomicFile.WriteText(Path.Combine(folder, $"{text.Entry}{number}.{extension}"), text.Source);
    }
}
