using System.Globalization;
using Marrow.Formats;

namespace Marrow.Adapters.Converting.Combining;

/// <summary>Checks that adapters to be combined change one and the same model, as far as their files tell.</summary>
internal static class CommonBase
{
    /// <summary>Compares names and sizes of the adapted modules, and what the files call their base.</summary>
    /// <param name="adapters">The adapters by their paths.</param>
    /// <param name="isKnown">Whether the base was given, by which modules got their names.</param>
    /// <param name="warnings">Gets a sentence where files name different bases, which may still be one model under two names.</param>
    /// <exception cref="MarrowException">AC011 they belong to different models.</exception>
    public static void Check(IReadOnlyList<(string Path, AdapterContents Contents)> adapters, bool isKnown, ICollection<string> warnings)
    {
        Dictionary<string, (string Path, long? Outputs, long? Inputs)> seen = [];
        foreach ((string path, AdapterContents contents) in adapters)
        {
            foreach (AdaptedModule layer in contents.Layers)
            {
                (long? outputs, long? inputs) = SizeOf(layer);
                if (!seen.TryGetValue(layer.Module, out var has))
                    seen.Add(layer.Module, (path, outputs, inputs));
                else if (Differ(has.Outputs, outputs) || Differ(has.Inputs, inputs))
                    throw new MarrowException("AC011", $"'{Echo.Name(layer.Module)}' has {Show(has.Inputs)} inputs and {Show(has.Outputs)} outputs in {Echo.Name(has.Path)}, but {Show(inputs)} and {Show(outputs)} in {Echo.Name(path)}: "
                        + "these are adapters of different models, which cannot be combined. [AC011]");
            }
        }
        (string firstPath, AdapterContents first) = adapters[0];
        foreach ((string path, AdapterContents contents) in adapters.Skip(1))
        {
            if (!isKnown && StackOf(first) is { } one && StackOf(contents) is { } other && one != other)
                throw new MarrowException("AC011", $"{Echo.Name(firstPath)} calls the model's layers '{Echo.Name(one)}.0', and {Echo.Name(path)} '{Echo.Name(other)}.0'; give the base model (--model), which tells whether they are the same. [AC011]");
            if (first.BaseModel is { } firstBase && contents.BaseModel is { } otherBase && !LastPart(firstBase).Equals(LastPart(otherBase), StringComparison.OrdinalIgnoreCase))
                warnings.Add($"{firstPath} says that its base is {Echo.Quote(firstBase)}, and {path} {Echo.Quote(otherBase)}: adapters of different bases add up to nothing that was trained");
        }
    }

    // An embedding's inputs are the vocabulary. Files of Bone say one side only, those of mini none.
    private static (long? Outputs, long? Inputs) SizeOf(AdaptedModule layer) => layer switch
    {
        LowRankLayer low => (low.B.Rows, low.A.Columns),
        BlockLayer { Form: BlockForm.Balance } block => (block.Tensor.Shape[1], null),
        BlockLayer { Form: BlockForm.BatByOutputs } block => (block.Tensor.Shape[0] * block.Rank, null),
        BlockLayer { Form: BlockForm.BatByInputs } block => (null, block.Tensor.Shape[0] * block.Rank),
        _ => default,
    };

    private static bool Differ(long? a, long? b) => a is { } x && b is { } y && x != y;

    private static string Show(long? size) => size is { } known ? known.ToString(CultureInfo.InvariantCulture) : "unknown";

    /// <summary>What stands before the number in the first numbered module ("model.layers"); null where there is none.</summary>
    private static string? StackOf(AdapterContents contents)
    {
        foreach (AdaptedModule layer in contents.Layers)
        {
            string[] parts = layer.Module.Split('.');
            int number = Array.FindIndex(parts, p => p.Length > 0 && p.All(char.IsAsciiDigit));
            if (number >= 0)
                return string.Join('.', parts[..number]);
        }
        return null;
    }

    // The same model lies in folders of one person and on the hub of another.
    private static string LastPart(string name) => name.TrimEnd('/', '\\') is var plain ? plain[(plain.LastIndexOfAny(['/', '\\']) + 1)..] : name;
}
