using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>Checks the blocks of Bone and Bat by their shapes.</summary>
internal static class BlockReading
{
    /// <summary>The layer of a tensor of blocks; <paramref name="r"/> and <paramref name="miniR"/> are what a configuration says, where there is one.</summary>
    /// <exception cref="ModelFileException">AC002 the shape is another form's.</exception>
    public static BlockLayer Layer(ITensorSource source, string module, BlockForm form, TensorInfo tensor, int? r = null, int? miniR = null)
    {
        bool bat = form is BlockForm.BatByInputs or BlockForm.BatByOutputs;
        IReadOnlyList<long> shape = tensor.Shape;
        bool fits = shape.Count == (bat ? 3 : 2) && shape.All(d => d is > 0 and <= int.MaxValue) && tensor.Count <= Array.MaxLength && (!bat || shape[1] == shape[2])
            && (r ?? shape[bat ? 2 : 0]) == shape[bat ? 2 : 0] && (miniR ?? shape[^1]) == shape[^1];
        if (!fits)
            throw new ModelFileException("AC002", source.Path, $"tensor '{Echo.Name(tensor.Name)}' has shape {tensor.ShapeText}, but {(bat ? $"[n,{Show(r)},{Show(r)}]" : $"[{Show(r)},{(miniR is { } m ? m : "outputs")}]")} is needed; the file is another adapter's, or damaged");
        return new BlockLayer(module, form, source, tensor);
    }

    private static string Show(int? r) => r is { } size ? size.ToString(System.Globalization.CultureInfo.InvariantCulture) : "r";
}
