using Marrow.Formats.Numerics;

namespace Marrow.Formats.Conversion;

/// <summary>One conversion: its tensors on their way, how far it is, and what is to be reported.</summary>
internal sealed class ConversionRun : IDisposable
{
    private readonly string _origin;
    private readonly TensorPieces _pieces;
    private List<(PlannedTensor Plan, TensorCast Cast)> _tensors = [];
    private IReadOnlyList<string> _files = [];
    private long _done, _total;

    public ConversionRun(ConversionOptions options, string origin)
    {
        (Options, _origin) = (options, origin);
        _pieces = new TensorPieces(options.Threads > 0 ? options.Threads : Environment.ProcessorCount);
    }

    public ConversionOptions Options { get; }

    public List<string> Warnings { get; } = [];

    /// <summary>The tensors to be written.</summary>
    public IReadOnlyList<TensorToWrite> Tensors { get; private set; } = [];

    /// <summary>The type that most weights of matrices get.</summary>
    public DType MatrixType { get; private set; }

    /// <summary>Takes the tensors to be written.</summary>
    public void Plan(IReadOnlyList<PlannedTensor> tensors)
    {
        _tensors = [.. tensors.Select(t => (t, new TensorCast(_pieces, t.From, t.To, _origin) { Progress = bytes => Advance(t.From.Name, bytes) }))];
        Tensors = [.. _tensors.Select(t => t.Cast.Written)];
        _total = Tensors.Sum(BytesOf) * (Options.Verify ? 2 : 1);
        MatrixType = Tensors.Where(t => t.Shape.Count >= 2).GroupBy(t => t.DType).OrderByDescending(g => g.Sum(BytesOf)).Select(g => g.Key).FirstOrDefault();
    }

    /// <summary>Ends the writing; <paramref name="open"/> opens what was written, should it be checked. Files that are not what they should be are removed, with <paramref name="folder"/> that they make up.</summary>
    /// <exception cref="MarrowException">CV006 the check failed.</exception>
    public void Finish(IEnumerable<string> files, Func<ITensorSource> open, string? folder = null)
    {
        _files = [.. files];
        if (!Options.Verify)
            return;
        bool opened = false;
        try
        {
            using ITensorSource written = open();
            opened = true;
            WrittenCheck.Compare(written, Tensors);
        }
        catch (MarrowException e) when (!opened || e.Code == "CV006")
        {
            if (WhyNotRemoved(folder) is { } why)
                throw new MarrowException(e.Code, $"{e.Message} It could not be removed, delete it: {why}", e);
            throw;
        }
    }

    public ConversionReport Report(string path, ModelKind kind) => new(path, kind, _files,
    [
        .. _tensors.Select(t => new ConvertedTensor(t.Cast.Written.Name, t.Cast.Written.Shape, t.Plan.From.DType, t.Plan.To, t.Plan.Fallback, BytesOf(t.Cast.Written), t.Cast.Exact && !t.Plan.Rounded, t.Cast.RelativeError)),
    ], Warnings, Options.Verify);

    public void Dispose() => _pieces.Dispose();

    // A wrong file must not be taken for a model.
    private string? WhyNotRemoved(string? folder)
    {
        try
        {
            foreach (string file in _files)
                File.Delete(file);
            if (folder is not null)
                Directory.Delete(folder);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    private void Advance(string name, long bytes)
    {
        Options.Cancellation.ThrowIfCancellationRequested();
        _done += bytes;
        Options.Progress?.Invoke(new ConversionProgress(name, _done, _total));
    }

    private static long BytesOf(TensorToWrite tensor) => tensor.DType.Bytes(tensor.Count);
}
