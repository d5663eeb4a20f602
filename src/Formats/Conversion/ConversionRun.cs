using Marrow.Formats.Numerics;

namespace Marrow.Formats.Conversion;

/// <summary>One conversion: its tensors on their way, how far it is, and what is to be reported.</summary>
internal sealed class ConversionRun : IDisposable
{
    private readonly string _origin;
    private readonly TensorPieces _pieces;
    private List<(PlannedTensor Plan, TensorCast Cast)> _tensors = [];
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

    /// <summary>Where that is asked for, compares the written tensors with what they were made of, before the target gets its name.</summary>
    /// <param name="path">The target, for messages.</param>
    /// <param name="open">Opens what was written.</param>
    /// <exception cref="MarrowException">CV006 they differ.</exception>
    public void Check(string path, Func<ITensorSource> open)
    {
        if (!Options.Verify)
            return;
        using ITensorSource written = Opened(path, open);
        WrittenCheck.Compare(path, written, Tensors);
    }

    public ConversionReport Report(string path, ModelKind kind, IReadOnlyList<string> files) => new(path, kind, files,
    [
        .. _tensors.Select(t => new ConvertedTensor(t.Cast.Written.Name, t.Cast.Written.Shape, t.Plan.From.DType, t.Plan.To, t.Plan.Fallback, BytesOf(t.Cast.Written), t.Cast.Exact && !t.Plan.Rounded, t.Cast.RelativeError)),
    ], Warnings, Options.Verify);

    public void Dispose() => _pieces.Dispose();

    private static ITensorSource Opened(string path, Func<ITensorSource> open)
    {
        try
        {
            return open();
        }
        catch (MarrowException e)
        {
            throw new MarrowException("CV006", $"{path}: what was written cannot be read again, so it is not kept; convert the model again. {e.Message}", e);
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
