using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;

namespace Marrow.Host.Models;

/// <summary>Which model is to be used, and how.</summary>
/// <param name="Path">The base model.</param>
/// <param name="Device">Where to compute.</param>
/// <param name="Adapter">An adapter folder or RWKV-PEFT file, or null.</param>
/// <param name="Dtype">The type of the frozen weights in memory: auto, fp32, bf16, nf4, q8_0 or q4_k.</param>
/// <param name="Activations">The type of activations: auto, fp32 or bf16.</param>
/// <param name="AdapterAlpha">LoRA's alpha, where the adapter is an RWKV-PEFT file, which does not hold it.</param>
internal sealed record ModelChoice(string Path, DeviceChoice Device, string? Adapter = null, string Dtype = "auto", string Activations = "auto",
    double? AdapterAlpha = null)
{
    /// <summary>What a job says of its model; the adapter to go on from is the trainer's business.</summary>
    public static ModelChoice Of(JobSpec job, string? dumpKernels) => new(job.Model.Path,
        new DeviceChoice(job.Model.Device, job.Training.Threads, job.Model.DeviceMemory, dumpKernels), null, job.Model.Dtype, job.Model.Activations);

    /// <summary>The type of the weight matrices in memory; null keeps what the file has.</summary>
    /// <exception cref="MarrowException">MP003: a type that this version does not compute with.</exception>
    public DType? Matrices => Dtype switch
    {
        "auto" => null,
        "fp32" => DType.F32,
        "bf16" => DType.BF16,
        "nf4" => DType.NF4,
        "q8_0" => DType.Q8_0,
        "q4_k" => DType.Q4_K,
        _ => throw new MarrowException("MP003", $"dtype {Echo.Quote(Dtype)}: weights in memory are fp32, bf16, or quantised (nf4, q8_0, q4_k) in this version; use one of these, or auto"),
    };

    /// <summary>The type of activations on a device with these capabilities (null for the CPU) and weight matrices of a type.</summary>
    /// <exception cref="MarrowException">MP004: the CPU has no bf16 activations.</exception>
    public DType ActivationsOn(DeviceCapabilities? capabilities, DType matrices) => Activations switch
    {
        "bf16" when capabilities is null => throw new MarrowException("MP004",
            "activations bf16: the CPU computes with fp32 activations only; use activations fp32 or auto, or a GPU by --device"),
        "bf16" => DType.BF16,
        "fp32" => DType.F32,
        // A processor behind OpenCL gains nothing from narrow activations.
        _ => capabilities is { IsCpu: false } && matrices == DType.BF16 ? DType.BF16 : DType.F32,
    };
}
