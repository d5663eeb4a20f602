using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Host.Inspecting;

/// <summary>One thing that is wrong with a file.</summary>
/// <param name="Code">Its stable code.</param>
/// <param name="Message">What is wrong and the remedy.</param>
internal sealed record InspectionProblem(string Code, string Message);

/// <summary>One tensor of a file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Dtype">Its stored type.</param>
/// <param name="Shape">Its dimensions, slowest first.</param>
/// <param name="Bytes">Its stored size.</param>
/// <param name="Values">What its values are like, where they were read.</param>
internal sealed record InspectedTensor(string Name, string Dtype, IReadOnlyList<long> Shape, long Bytes, TensorStatistics? Values = null);

/// <summary>What was found in a file or folder. Problems are collected, so that one look shows them all.</summary>
internal sealed class Inspection(string kind, string path)
{
    /// <summary>"Hugging Face model", "RWKV model", "PEFT adapter", "RWKV-PEFT adapter", or what kind of file or folder it is.</summary>
    public string Kind { get; } = kind;

    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;

    /// <summary>Short statements about it, in the order found.</summary>
    public Dictionary<string, string> Facts { get; } = [];

    /// <summary>The file's own notes.</summary>
    public Dictionary<string, string> Metadata { get; } = [];

    /// <summary>Its tensors, sorted by name with numbers in number order.</summary>
    public List<InspectedTensor> Tensors { get; } = [];

    /// <summary>What is odd but allowed.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>What keeps it from being used.</summary>
    public List<InspectionProblem> Problems { get; } = [];

    /// <summary>Runs one check; what it throws becomes a problem and the inspection goes on.</summary>
    public T? Try<T>(Func<T?> check) where T : class
    {
        try
        {
            return check();
        }
        catch (MarrowException e)
        {
            // Two checks may meet the same fault.
            if (new InspectionProblem(e.Code, e.Message) is var problem && !Problems.Contains(problem))
                Problems.Add(problem);
            return null;
        }
    }

    /// <summary>Adds the tensors and notes of <paramref name="source"/>, and with <paramref name="values"/> reads every value, or the scales of blocks that are not decoded: NaN and infinity are problems.</summary>
    public void Add(ITensorSource source, bool values, CancellationToken stopping)
    {
        foreach ((string key, string value) in source.Metadata)
            Metadata.TryAdd(key, value);
        foreach (TensorInfo tensor in source.Tensors.Values.OrderBy(t => t.Name, StringComparer.Create(System.Globalization.CultureInfo.InvariantCulture, System.Globalization.CompareOptions.NumericOrdering)))
        {
            TensorStatistics? statistics = values && tensor.DType.IsReal() ? Try(() => TensorStatistics.Of(source, tensor, stopping)) : null;
            // Blocks that are not decoded have scales all the same.
            if (values && tensor.DType.IsBlock() && !tensor.DType.IsReal() && Try(() => source.FirstFault(tensor.Name, stopping)) is { } fault)
                Problems.Add(new InspectionProblem(fault.Code, fault.Message));
            Tensors.Add(new InspectedTensor(tensor.Name, tensor.DType.ToString(), tensor.Shape, tensor.ByteLength, statistics));
            if (statistics is { NotFinite: > 0 and var bad })
                Problems.Add(new InspectionProblem("IN002", $"{source.Path}: tensor '{Echo.Name(tensor.Name)}' holds {bad} values that are NaN or infinite; it cannot be trained or run [IN002]"));
        }
    }
}
