using System.Globalization;

namespace Marrow.Formats.PyTorch;

/// <summary>Finds the tensors in a checkpoint's value and says what it leaves out (spec/formats.md §4.3).</summary>
internal sealed class NamedTensors(string path, List<string> warnings)
{
    private const int MostNamed = 8;
    private const int LongestName = 65_535;

    /// <summary>Keys under which training programs save the model beside other things.</summary>
    private static readonly string[] ModelKeys = ["state_dict", "model_state_dict", "model", "module"];

    private readonly Dictionary<string, TensorRef> _tensors = [];
    private readonly List<string> _others = [];
    private int _otherCount;

    /// <summary>The tensors by name: those of the top dictionary, or of the model's dictionary within it, or of the one under <paramref name="part"/>.</summary>
    /// <exception cref="ModelFileException">PT030 none, or several dictionaries hold some; PT031 two have one name.</exception>
    public Dictionary<string, TensorRef> Find(object value, string? part)
    {
        if (value is PickleDict top)
            Take(ModelOf(top, part));
        else if (part is not null)
            throw new ModelFileException("PT030", path, $"part '{Echo.Name(part)}' was asked for, but the file holds no dictionary");
        else if (value is PickleList list)
            Take(list.Items);
        else if (value is PickleTuple tuple)
            Take(tuple.Items);
        else if (value is TensorRef tensor)
            Add("tensor", tensor);
        if (_tensors.Count == 0 && value is not PickleDict { Pairs.Count: 0 })
            throw new ModelFileException("PT030", path, "the file holds no tensors; give a checkpoint with a dictionary of tensors (a state dict)");
        if (_otherCount > 0)
            warnings.Add($"not read: {string.Join(", ", _others)}{(_otherCount > _others.Count ? $" and {_otherCount - _others.Count} more" : "")}");
        return _tensors;
    }

    private PickleDict ModelOf(PickleDict top, string? part)
    {
        List<KeyValuePair<object, object>> nested = top.Pairs.FindAll(p => p.Key is string && p.Value is PickleDict { TensorCount: > 0 });
        if (part is not null)
        {
            if (nested.FindLast(p => (string)p.Key == part).Value is PickleDict chosen)
                return Chosen(top, part, chosen);
            throw new ModelFileException("PT030", path, $"it has no dictionary of tensors under '{Echo.Name(part)}'{Parts(nested)}");
        }
        List<KeyValuePair<object, object>> models = nested.FindAll(p => Array.IndexOf(ModelKeys, (string)p.Key) >= 0);
        if (models.Count == 1)
            return Chosen(top, (string)models[0].Key, (PickleDict)models[0].Value);
        if (models.Count > 1)
            throw new ModelFileException("PT030", path, $"several dictionaries within it may be the model; save the one that is meant alone{Parts(models)}");
        return top.TensorCount > 0 || nested.Count == 0 ? top : throw new ModelFileException("PT030", path,
            $"its tensors lie in a dictionary within the dictionary, under none of the names that models have ({string.Join(", ", ModelKeys)}); save the one that is meant alone{Parts(nested)}");
    }

    private PickleDict Chosen(PickleDict top, string part, PickleDict chosen)
    {
        foreach (var (key, value) in top.Pairs)
            if (key is not string name || name != part)
                LeaveOut(key, value);
        return chosen;
    }

    private static string Parts(List<KeyValuePair<object, object>> nested) => nested.Count == 0 ? ""
        : $": {string.Join(", ", nested.Take(MostNamed).Select(p => $"'{Echo.Name((string)p.Key)}'"))}{(nested.Count > MostNamed ? ", …" : "")}";

    private void Take(PickleDict dict)
    {
        foreach (var (key, value) in dict.Pairs)
        {
            if (value is not TensorRef tensor)
                LeaveOut(key, value);
            else if (NameOf(key) is { } name)
                Add(name, tensor);
            else
                throw new ModelFileException("PT031", path, "a tensor's key is neither a text nor an integer; name it by a text");
        }
    }

    private void Take(IReadOnlyList<object> items)
    {
        for (long i = 0; i < items.Count; i++)
        {
            if (items[(int)i] is TensorRef tensor)
                Add(NameOf(i)!, tensor);
            else
                LeaveOut(i, items[(int)i]);
        }
    }

    private void Add(string name, TensorRef tensor)
    {
        if (name.Length > LongestName)
            throw new ModelFileException("PT031", path, $"a tensor's name has {name.Length} characters; at most {LongestName} are allowed");
        if (!_tensors.TryAdd(name, tensor))
            throw new ModelFileException("PT031", path, $"two tensors have the name '{Echo.Name(name)}'; save it anew");
    }

    private void LeaveOut(object key, object value)
    {
        if (_otherCount++ >= MostNamed)
            return;
        string kind = value switch
        {
            PickleDict { TensorCount: > 0 } dict => $" (a dictionary of {dict.TensorCount} tensors)",
            TensorRef => " (a tensor)",
            _ => "",
        };
        _others.Add((NameOf(key) is { } name ? $"'{Echo.Name(name)}'" : "an entry without a name") + kind);
    }

    private static string? NameOf(object key) => key is string text ? text : key is long number ? number.ToString(CultureInfo.InvariantCulture) : null;
}
