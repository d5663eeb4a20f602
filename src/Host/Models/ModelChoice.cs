using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Host.Jobs;

namespace Marrow.Host.Models;

/// <summary>Which model is to be used, and how.</summary>
/// <param name="Path">The base model.</param>
/// <param name="Adapter">An adapter folder, or null.</param>
/// <param name="Dtype">The type of the frozen weights in memory: auto, fp32 or bf16.</param>
/// <param name="Device">auto or cpu.</param>
/// <param name="Threads">Threads on the CPU; null for one per core.</param>
internal sealed record ModelChoice(string Path, string? Adapter = null, string Dtype = "auto", string Device = "auto", int? Threads = null)
{
    /// <summary>What a job says of its model; the adapter to go on from is the trainer's business.</summary>
    public static ModelChoice Of(JobSpec job) => new(job.Model.Path, null, job.Model.Dtype, job.Model.Device, job.Training.Threads);

    /// <summary>The type of the weight matrices in memory; null keeps what the file has.</summary>
    /// <exception cref="MarrowException">MP003: a type that this version does not compute with.</exception>
    public DType? Matrices => Dtype switch
    {
        "auto" => null,
        "fp32" => DType.F32,
        "bf16" => DType.BF16,
        _ => throw new MarrowException("MP003", $"dtype {Echo.Quote(Dtype)}: weights in memory are fp32 or bf16 in this version; use one of these, or auto"),
    };

    /// <summary>Throws where the device is not one of this version's.</summary>
    /// <exception cref="MarrowException">MP002.</exception>
    public void RequireDevice()
    {
        if (Device is not ("auto" or "cpu"))
            throw new MarrowException("MP002", $"device {Echo.Quote(Device)}: only the CPU is supported in this version; use cpu or auto");
    }
}
