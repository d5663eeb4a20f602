namespace Marrow.Engine.Devices.Cuda;

/// <summary>The part of cuBLASLt that is used, as function pointers. Values are those of its header, the same from CUDA 11 on.</summary>
internal sealed unsafe class CublasLtApi
{
    /// <summary>cublasStatus_t: done, no algorithm for these operands.</summary>
    public const int Success = 0, NotSupported = 15;

    /// <summary>cudaDataType.</summary>
    public const int F32 = 0, BF16 = 14;

    /// <summary>cublasComputeType_t: fp32, and fp32 operands rounded to TF32.</summary>
    public const int Compute32F = 68, Compute32FastTF32 = 77;

    /// <summary>cublasLtMatmulDescAttributes_t: cublasOperation_t of the operands.</summary>
    public const int TransA = 3, TransB = 4;

    /// <summary>cublasLtMatmulPreferenceAttributes_t.</summary>
    public const int MaxWorkspaceBytes = 1, MinAlignmentA = 5, MinAlignmentB = 6, MinAlignmentC = 7, MinAlignmentD = 8;

    public readonly delegate* unmanaged<nint*, int> Create;
    public readonly delegate* unmanaged<nint, int> Destroy;
    public readonly delegate* unmanaged<nint*, int, int, int> DescCreate;
    public readonly delegate* unmanaged<nint, int, void*, nuint, int> DescSet;
    public readonly delegate* unmanaged<nint, int> DescDestroy;
    public readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> LayoutCreate;
    public readonly delegate* unmanaged<nint, int> LayoutDestroy;
    public readonly delegate* unmanaged<nint*, int> PreferenceCreate;
    public readonly delegate* unmanaged<nint, int, void*, nuint, int> PreferenceSet;
    public readonly delegate* unmanaged<nint, int> PreferenceDestroy;
    public readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, CublasLtHeuristic*, int*, int> GetHeuristic;
    public readonly delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, CublasLtAlgorithm*, nint, nuint, nint, int> Matmul;

    public CublasLtApi(NativeExports of)
    {
        Create = (delegate* unmanaged<nint*, int>)of["cublasLtCreate"];
        Destroy = (delegate* unmanaged<nint, int>)of["cublasLtDestroy"];
        DescCreate = (delegate* unmanaged<nint*, int, int, int>)of["cublasLtMatmulDescCreate"];
        DescSet = (delegate* unmanaged<nint, int, void*, nuint, int>)of["cublasLtMatmulDescSetAttribute"];
        DescDestroy = (delegate* unmanaged<nint, int>)of["cublasLtMatmulDescDestroy"];
        LayoutCreate = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)of["cublasLtMatrixLayoutCreate"];
        LayoutDestroy = (delegate* unmanaged<nint, int>)of["cublasLtMatrixLayoutDestroy"];
        PreferenceCreate = (delegate* unmanaged<nint*, int>)of["cublasLtMatmulPreferenceCreate"];
        PreferenceSet = (delegate* unmanaged<nint, int, void*, nuint, int>)of["cublasLtMatmulPreferenceSetAttribute"];
        PreferenceDestroy = (delegate* unmanaged<nint, int>)of["cublasLtMatmulPreferenceDestroy"];
        GetHeuristic = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, CublasLtHeuristic*, int*, int>)of["cublasLtMatmulAlgoGetHeuristic"];
        Matmul = (delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, CublasLtAlgorithm*, nint, nuint, nint, int>)of["cublasLtMatmul"];
    }

    /// <summary>A cublasStatus_t's name.</summary>
    public static string NameOf(int status) => status switch
    {
        1 => "CUBLAS_STATUS_NOT_INITIALIZED",
        3 => "CUBLAS_STATUS_ALLOC_FAILED",
        7 => "CUBLAS_STATUS_INVALID_VALUE",
        8 => "CUBLAS_STATUS_ARCH_MISMATCH",
        11 => "CUBLAS_STATUS_MAPPING_ERROR",
        13 => "CUBLAS_STATUS_EXECUTION_FAILED",
        14 => "CUBLAS_STATUS_INTERNAL_ERROR",
        NotSupported => "CUBLAS_STATUS_NOT_SUPPORTED",
        _ => $"cuBLAS status {status}",
    };
}

/// <summary>cublasLtMatmulAlgo_t.</summary>
internal unsafe struct CublasLtAlgorithm
{
    public fixed ulong Data[8];
}

/// <summary>cublasLtMatmulHeuristicResult_t.</summary>
internal unsafe struct CublasLtHeuristic
{
    public CublasLtAlgorithm Algorithm;
    public nuint WorkspaceBytes;
    public int State;
    public float Waves;
    public fixed int Reserved[4];
}
