namespace Marrow.Adapters.Peft;

/// <summary>The names of tensors in PEFT files, old forms included (spec/adapters.md §4.2, spec/formats.md §6.4).</summary>
internal static class PeftKeys
{
    public const string Prefix = "base_model.model.";
    private const string Saved = "modules_to_save";

    /// <summary>The name that PEFT's present versions give a tensor.</summary>
    public static string Of(string module, string tensor) => $"{Prefix}{module}.{tensor}";

    /// <summary>
    /// The present name of a tensor in a file: earlier tensor names replaced, an adapter's name ("lora_A.default.weight") and a wrapper's
    /// ("lm_head.modules_to_save.default.weight") taken out, the prefix put before names that lack it.
    /// </summary>
    public static string Normalise(string key, IReadOnlySet<string> stems, IReadOnlyDictionary<string, string> formerNames)
    {
        List<string> parts = [.. (key.StartsWith(Prefix, StringComparison.Ordinal) ? key[Prefix.Length..] : key).Split('.')];
        int saved = parts.LastIndexOf(Saved);
        if (saved > 0)
        {
            parts.RemoveAt(saved);
            if (saved < parts.Count - 1)
                parts.RemoveAt(saved);
        }
        for (int i = 0; i < parts.Count; i++)
        {
            if (formerNames.TryGetValue(parts[i], out string? name))
                parts[i] = name;
        }
        int stem = parts.FindLastIndex(stems.Contains);
        if (stem >= 0 && stem + 1 < parts.Count && parts[stem + 1] is not ("weight" or "bias"))
            parts.RemoveAt(stem + 1);
        return Prefix + string.Join('.', parts);
    }
}
