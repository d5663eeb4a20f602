namespace Marrow.Engine.Jit;

/// <summary>The language that kernels are printed in, and what of it the device can use.</summary>
public enum DialectLanguage
{
    /// <summary>OpenCL C 1.2: explicit address spaces, nothing generic.</summary>
    OpenCl,

    /// <summary>CUDA C++ as NVRTC takes it, without headers.</summary>
    Cuda,
}

/// <summary>What a kernel is translated for.</summary>
/// <param name="Language">The language.</param>
/// <param name="Subgroups">Sub-group reductions may be used.</param>
/// <param name="MatrixUnits">Tensor cores may be used by inline PTX.</param>
public sealed record Dialect(DialectLanguage Language, bool Subgroups, bool MatrixUnits);
