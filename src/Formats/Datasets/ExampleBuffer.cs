using System.Runtime.InteropServices;

namespace Marrow.Formats.Datasets;

/// <summary>The example under construction; one buffer serves the whole file.</summary>
internal sealed class ExampleBuffer
{
    private readonly List<int> _ids = [];
    private readonly List<int> _labels = [];

    public int Count => _ids.Count;

    public Span<int> Ids => CollectionsMarshal.AsSpan(_ids);

    public Span<int> Labels => CollectionsMarshal.AsSpan(_labels);

    public void Clear()
    {
        _ids.Clear();
        _labels.Clear();
    }

    public void Add(int id, int label)
    {
        _ids.Add(id);
        _labels.Add(label);
    }

    /// <summary>Adds the tokens of <paramref name="ids"/> from <paramref name="from"/> on.</summary>
    public void Add(IReadOnlyList<int> ids, bool trained, int from = 0)
    {
        for (int i = from; i < ids.Count; i++)
            Add(ids[i], trained ? ids[i] : TokenExample.Ignore);
    }
}
