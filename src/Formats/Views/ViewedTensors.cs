namespace Marrow.Formats.Views;

/// <summary>The tensors of another source under other names, shapes or types. Nothing is read before it is asked for. Safe for concurrent reads.</summary>
internal sealed class ViewedTensors : ITensorSource
{
    private readonly OrderedDictionary<string, TensorView> _views = [];
    private readonly ITensorSource _source;
    private readonly bool _owns;

    /// <summary>Shows the views; with <paramref name="owns"/> the source is this one's to dispose of.</summary>
    public ViewedTensors(ITensorSource source, IEnumerable<TensorView> views, bool owns)
    {
        (_source, _owns) = (source, owns);
        var tensors = new OrderedDictionary<string, TensorInfo>();
        foreach (TensorView view in views)
        {
            if (!tensors.TryAdd(view.Info.Name, view.Info))
                throw new ModelFileException("TV002", source.Path, $"holds two tensors that are both '{Echo.Name(view.Info.Name)}'; remove one of them");
            _views.Add(view.Info.Name, view);
        }
        Tensors = tensors;
    }

    /// <inheritdoc/>
    public string Path => _source.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _source.Metadata;

    /// <inheritdoc/>
    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        TensorInfo info = this.Require(name);
        if (byteOffset < 0 || byteOffset > info.ByteLength - destination.Length)
            throw new ModelFileException("TS004", Path,
                $"tensor '{Echo.Name(name)}' has {info.ByteLength} bytes; {destination.Length} from {byteOffset} on were asked for");
        if (!destination.IsEmpty)
            _views[name].Read(byteOffset, destination);
    }

    /// <summary>Whether values of a tensor were rounded; reads it where its view computes. False for one that is not here.</summary>
    public bool IsRounded(string name) => _views.TryGetValue(name, out TensorView? view) && view.IsRounded();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_owns)
            _source.Dispose();
    }
}
