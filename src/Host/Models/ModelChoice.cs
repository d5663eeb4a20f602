using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;

namespace Marrow.Host.Models;

/// <summary>Which model is to be used, and how.</summary>
/// <param name="Path">The base model.</param>
/// <param name="Adapter">An adapter folder, or null.</param>
/// <param name="Dtype">The type of the frozen weights in memory: auto, fp32 or bf16.</param>
/// <param name="On">Where it computes, and how; null takes the defaults.</param>
internal sealed record ModelChoice(string Path, string? Adapter = null, string Dtype = "auto", ComputeChoice? On = null)
{
    /// <summary>What a job says of its model; the adapter to go on from is the trainer's business.</summary>
    public static ModelChoice Of(JobSpec job, string? dumpKernels = null) => new(job.Model.Path, null, job.Model.Dtype,
        new ComputeChoice(job.Model.Device, job.Model.Activations, job.Training.Threads, job.Model.DeviceMemoryGb, dumpKernels));

    /// <summary>Where it computes, and how.</summary>
    public ComputeChoice Compute => On ?? new ComputeChoice();

    /// <summary>The type of the weight matrices in memory; null keeps what the file has.</summary>
    /// <exception cref="MarrowException">MP003: a type that this version does not compute with.</exception>
    public DType? Matrices => Dtype switch
    {
        "auto" => null,
        "fp32" => DType.F32,
        "bf16" => DType.BF16,
        _ => throw new MarrowException("MP003", $"dtype {Echo.Quote(Dtype)}: weights in memory are fp32 or bf16 in this version; use one of these, or auto"),
    };
}
