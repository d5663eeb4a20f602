using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>An adapter's files, opened: what they hold, in neutral form.</summary>
public abstract class AdapterDocument : IDisposable
{
    /// <summary>Files at <paramref name="path"/>, whose tensors become this object's.</summary>
    protected AdapterDocument(AdapterKind kind, string path, ITensorSource tensors) => (Kind, Path, Tensors) = (kind, path, tensors);

    /// <summary>Their kind.</summary>
    public AdapterKind Kind { get; }

    /// <summary>The file or folder.</summary>
    public string Path { get; }

    /// <summary>The tensors as stored.</summary>
    public ITensorSource Tensors { get; }

    /// <summary>What was odd but allowed, one sentence each.</summary>
    public IList<string> Warnings { get; } = [];

    /// <summary>The contents. With the base model, names are its modules' and every shape is checked against theirs.</summary>
    /// <exception cref="MarrowException">AC002 tensors that do not belong together; AC007 a module that the base does not have; AC008 a shape that does not fit; others by kind.</exception>
    public AdapterContents Read(BaseWeights? model)
    {
        AdapterContents contents = Understand(model);
        if (contents.Layers.GroupBy(l => l.Module).FirstOrDefault(g => g.Count() > 1)?.Key is { } twice)
            throw Error("AC002", $"adapts '{Echo.Name(twice)}' twice; does the file hold two adapters?");
        if (contents.Carried.GroupBy(c => c.Name).FirstOrDefault(g => g.Count() > 1)?.ToArray() is [var one, var other, ..])
            throw Error("AC002", $"holds '{Echo.Name(one.Name)}' twice, as '{Echo.Name(one.Tensor.Name)}' and '{Echo.Name(other.Tensor.Name)}'; does the file hold two adapters?");
        if (model is not null)
            new BaseCheck(Tensors.Path, model).Check(contents);
        return contents;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Tensors.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Sorts the tensors into layers and others.</summary>
    protected abstract AdapterContents Understand(BaseWeights? model);

    /// <summary>An error about the file.</summary>
    protected ModelFileException Error(string code, string message) => new(code, Tensors.Path, message);

    /// <summary>Puts the halves of LoRA layers together: A [r, inputs] and B [outputs, r].</summary>
    /// <exception cref="ModelFileException">AC002 a half is missing, or the shapes do not fit each other.</exception>
    protected LowRankLayer Pair(string module, AdapterMatrix? a, AdapterMatrix? b, Func<int, LoraScale> scale, bool isEmbedding = false)
    {
        if (a is null || b is null)
            throw Error("AC002", $"module '{Echo.Name(module)}' has {(a is null ? "B (up) and no A (down)" : "A (down) and no B (up)")} of its LoRA; the file is not whole");
        if (a.Rows != b.Columns)
            throw Error("AC002", $"module '{Echo.Name(module)}' has A {a.ShapeText} and B {b.ShapeText}; [r, inputs] and [outputs, r] with the same r are needed, so the file is damaged or of another kind");
        return new LowRankLayer(module, a, b, scale(a.Rows)) { IsEmbedding = isEmbedding };
    }
}
