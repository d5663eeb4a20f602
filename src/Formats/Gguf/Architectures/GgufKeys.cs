using System.Globalization;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>The metadata of one architecture, its keys given without the architecture's name; every size checked against its bounds.</summary>
internal sealed class GgufKeys(GgufMetadata values, string architecture)
{
    /// <summary>What ollama's own converter calls some keys.</summary>
    private static readonly Dictionary<string, string> Ollamas = new()
    {
        ["rope.freq_base"] = "rope.global.freq_base", ["rope.freq_base_swa"] = "rope.local.freq_base", ["rope.scaling.yarn_ext_factor"] = "rope.scaling.extrapolation_factor",
        ["rope.scaling.yarn_beta_fast"] = "rope.scaling.beta_fast", ["rope.scaling.yarn_beta_slow"] = "rope.scaling.beta_slow",
    };

    private readonly HashSet<string> _asked = [];

    /// <summary>The metadata.</summary>
    public GgufMetadata Values { get; } = values;

    /// <summary>The architecture's keys that nobody has asked for.</summary>
    public IEnumerable<string> Unheeded => Values.Values.Keys.Where(key => key.StartsWith($"{architecture}.", StringComparison.Ordinal) && !_asked.Contains(key));

    /// <summary>Takes keys for heeded that a model of this kind has no use for.</summary>
    public void PassOver(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
            _ = Key(name);
    }

    /// <summary>The whole key, as the file has it.</summary>
    public string Key(string name)
    {
        string key = Own(name);
        if (!Values.Has(key) && Ollamas.TryGetValue(name, out string? other) && Values.Has(Own(other)))
            key = Own(other);
        _asked.Add(key);
        return key;
    }

    public bool Has(string name) => Values.Has(Key(name));

    /// <summary>A size from 1 to <paramref name="most"/>; null where there is no such key. Where the file lists one for each layer, all must be the same.</summary>
    /// <exception cref="ModelFileException">GA004 outside the bounds; GA005 layers differ; GG030 no whole number.</exception>
    public int? Size(string name, int most, int least = 1)
    {
        string key = Key(name);
        if (!Values.Values.TryGetValue(key, out GgufValue? stored))
            return null;
        long size;
        if (stored.IsArray)
        {
            long[] each = Values.Integers(key)!;
            if (each.Length == 0)
                throw Values.Error("GA004", key, "is an empty list; a size is needed");
            if (Array.FindIndex(each, e => e != each[0]) is var other and >= 0)
                throw Values.Error("GA005", key, string.Create(CultureInfo.InvariantCulture, $"differs between layers ({each[0]} in layer 0, {each[other]} in layer {other}); only models whose layers are alike are supported"));
            size = each[0];
        }
        else
            size = Values.Integer(key)!.Value;
        return size >= least && size <= most ? (int)size
            : throw Values.Error("GA004", key, string.Create(CultureInfo.InvariantCulture, $"is {size}, but must lie in {least} … {most}"));
    }

    /// <summary>As <see cref="Size"/>, of a key that must be there.</summary>
    public int Required(string name, int most) => Size(name, most) ?? throw Values.Error("GA004", Key(name), "is missing; the file is not whole");

    /// <summary>A finite number; null where there is no such key. One stored in 32 bits is the shortest decimal number that rounds to it, as a config.json has it.</summary>
    public double? Number(string name)
    {
        string key = Key(name);
        return Values.Number(key) is not { } number ? null : Values.Values[key].Type == GgufType.F32
            ? double.Parse(((float)number).ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : number;
    }

    /// <summary>A number above 0; null where there is no such key.</summary>
    /// <exception cref="ModelFileException">GA004 0 or below; GG030 no finite number.</exception>
    public double? Positive(string name) => Number(name) is not { } number ? null : number > 0 ? number
        : throw Values.Error("GA004", Key(name), string.Create(CultureInfo.InvariantCulture, $"is {number:R}, but must be above 0"));

    /// <summary>An id of the tokenizer; null where there is none.</summary>
    public int? Token(string name) => Values.Integer($"tokenizer.ggml.{name}") is { } id and >= 0 and <= int.MaxValue ? (int)id : null;

    /// <summary>The ids that end a text: of the whole, of a turn, of a message.</summary>
    public IReadOnlyList<int> Ends() =>
        [.. ((string[])["eos_token_id", "eot_token_id", "eom_token_id"]).Select(Token).OfType<int>().Distinct()];

    public void Set(string name, long value) => Values.Set(Own(name), value);

    public void Set(string name, double value) => Values.Set(Own(name), (float)value);

    public void Set(string name, string value) => Values.Set(Own(name), value);

    private string Own(string name) => $"{architecture}.{name}";
}
