namespace Marrow.Engine.Devices;

/// <summary>What a device was found to be able to do: asked of the driver or tried out, never read from a version string.</summary>
public sealed record DeviceCapabilities
{
    /// <summary>Bytes of memory.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>The largest single buffer in bytes.</summary>
    public required long MaxBufferBytes { get; init; }

    /// <summary>Bytes of memory that a group's lanes can share.</summary>
    public required int SharedBytes { get; init; }

    /// <summary>The most lanes of a group.</summary>
    public required int MaxLanes { get; init; }

    /// <summary>Units that groups are spread over.</summary>
    public required int ComputeUnits { get; init; }

    /// <summary>True for a processor that poses as a GPU: groups are loops, large tiles for one lane beat many lanes.</summary>
    public bool IsCpu { get; init; }

    /// <summary>Reductions within sub-groups work.</summary>
    public bool Subgroups { get; init; }

    /// <summary>Tensor cores for bf16 by inline PTX work (mma.sync m16n8k16).</summary>
    public bool MatrixUnits { get; init; }

    /// <summary>Double precision works; nothing needs it.</summary>
    public bool Fp64 { get; init; }

    /// <summary>Arithmetic in fp16 works; nothing needs it, storage in fp16 works everywhere.</summary>
    public bool Fp16 { get; init; }

    /// <summary>What stands in for the driver and its version in cache keys and listings.</summary>
    public required string Driver { get; init; }
}
