using System.Numerics;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>A matrix of a product in device memory, row after row.</summary>
/// <param name="Address">The first element's device address.</param>
/// <param name="Type">F32 or BF16.</param>
/// <param name="Stride">Elements from one stored row to the next.</param>
/// <param name="Transposed">The stored matrix is the transposed of the operand.</param>
internal readonly record struct CublasLtOperand(nint Address, DType Type, long Stride, bool Transposed = false);

/// <summary>
/// Matrix products through NVIDIA's cuBLASLt, where its library is there. What it chooses for a shape is kept, so that further products of the shape
/// allocate nothing; the choice depends on shape, types, strides and alignment only.
/// </summary>
internal sealed unsafe class CublasLt : IDisposable
{
    private const long WorkspaceBytes = 32 << 20;
    private const int MostAlignment = 256;
    private readonly CublasLtApi _api;
    private readonly CudaContext _context;
    private readonly string _device;
    private readonly nint _handle;
    private readonly nint _workspace;
    private readonly nuint _workspaceBytes;
    private readonly Dictionary<Shape, Plan?> _plans = [];

    private CublasLt(CublasLtApi api, CudaContext context, string device, nint handle)
    {
        (_api, _context, _device, _handle) = (api, context, device, handle);
        nint workspace;
        if (context.Driver.MemAlloc(&workspace, (nuint)WorkspaceBytes) == CudaDriver.Success)
            (_workspace, _workspaceBytes) = (workspace, (nuint)WorkspaceBytes);
    }

    /// <summary>Loads the first cuBLASLt that works with the current context; null with the reason.</summary>
    public static CublasLt? Find(CudaContext context, string device, IReadOnlyList<string> folders, out string whyNot)
    {
        whyNot = "cuBLASLt was not found (a part of the CUDA toolkit; pip: nvidia-cublas or nvidia-cublas-cu12)";
        foreach (string candidate in CudaLibraries.CublasLt(context.Driver.Version, folders))
        {
            nint library = CudaLibraries.Load(candidate);
            if (library == 0)
                continue;
            var exports = new NativeExports(library);
            var api = new CublasLtApi(exports);
            nint handle = 0;
            int status = exports.Missing is null ? api.Create(&handle) : CublasLtApi.NotSupported;
            if (status == CublasLtApi.Success)
            {
                whyNot = "";
                return new CublasLt(api, context, device, handle);
            }
            whyNot = exports.Missing is { } missing ? $"{candidate} has no {missing}" : $"{candidate} does not start ({CublasLtApi.NameOf(status)})";
        }
        return null;
    }

    /// <summary>
    /// Queues c = alpha·a·b + beta·c for a [m, k], b [k, n], c [m, n], sums in fp32: bf16·bf16 to bf16 or fp32, and fp32·fp32 to fp32, where
    /// <paramref name="tf32"/> lets the operands be rounded to 11 bits. False where cuBLASLt does not do these types or this shape: nothing is queued then.
    /// </summary>
    /// <exception cref="MarrowException">DV010 the product failed.</exception>
    public bool TryMatMul(int m, int n, int k, float alpha, in CublasLtOperand a, in CublasLtOperand b, float beta, in CublasLtOperand c, bool tf32 = false)
    {
        if (a.Type != b.Type || c.Transposed || a.Type is not (DType.F32 or DType.BF16) || c.Type is not (DType.F32 or DType.BF16) || (a.Type == DType.F32 && c.Type != DType.F32))
            return false;
        var shape = new Shape(m, n, k, a.Type, c.Type, a.Stride, b.Stride, c.Stride, a.Transposed, b.Transposed, Alignment(a.Address), Alignment(b.Address), Alignment(c.Address), tf32);
        _context.Enter();
        if (!_plans.TryGetValue(shape, out Plan? plan))
            _plans[shape] = plan = MakePlan(shape);
        if (plan is null)
            return false;
        CublasLtAlgorithm algorithm = plan.Algorithm;
        // Row after row is the transposed matrix column after column: cᵀ = bᵀ·aᵀ.
        int status = _api.Matmul(_handle, plan.Product, &alpha, b.Address, plan.First, a.Address, plan.Second, &beta, c.Address, plan.Result, c.Address, plan.Result,
            &algorithm, _workspace, _workspaceBytes, _context.Stream);
        return status == CublasLtApi.Success ? true : throw DeviceFaults.Lost(_device, "multiplying matrices by cuBLASLt", CublasLtApi.NameOf(status));
    }

    public void Dispose()
    {
        foreach (Plan? plan in _plans.Values)
        {
            if (plan is not null)
                Free(plan);
        }
        _plans.Clear();
        _api.Destroy(_handle);
        if (_workspace != 0)
            _context.Driver.MemFree(_workspace);
    }

    private static int Alignment(nint address) => Math.Min(MostAlignment, 1 << Math.Min(30, BitOperations.TrailingZeroCount(address)));

    private static int TypeOf(DType type) => type == DType.BF16 ? CublasLtApi.BF16 : CublasLtApi.F32;

    private Plan? MakePlan(in Shape s)
    {
        var plan = new Plan();
        nint made = 0, preference = 0;
        int firstOperation = s.TransposedB ? 1 : 0, secondOperation = s.TransposedA ? 1 : 0;
        bool ok = _api.DescCreate(&made, s.Tf32 && s.Type == DType.F32 ? CublasLtApi.Compute32FastTF32 : CublasLtApi.Compute32F, CublasLtApi.F32) == 0;
        plan.Product = made;
        ok = ok && _api.DescSet(made, CublasLtApi.TransA, &firstOperation, sizeof(int)) == 0 && _api.DescSet(made, CublasLtApi.TransB, &secondOperation, sizeof(int)) == 0;
        // Columns of the layouts are the stored rows.
        plan.First = ok ? Layout(s.Type, s.TransposedB ? s.K : s.N, s.TransposedB ? s.N : s.K, s.StrideB) : 0;
        plan.Second = ok ? Layout(s.Type, s.TransposedA ? s.M : s.K, s.TransposedA ? s.K : s.M, s.StrideA) : 0;
        plan.Result = ok ? Layout(s.ResultType, s.N, s.M, s.StrideC) : 0;
        ok = ok && plan.First != 0 && plan.Second != 0 && plan.Result != 0 && _api.PreferenceCreate(&preference) == 0;
        ulong most = _workspaceBytes;
        uint alignFirst = (uint)s.AlignB, alignSecond = (uint)s.AlignA, alignResult = (uint)s.AlignC;
        ok = ok && _api.PreferenceSet(preference, CublasLtApi.MaxWorkspaceBytes, &most, sizeof(ulong)) == 0
            && _api.PreferenceSet(preference, CublasLtApi.MinAlignmentA, &alignFirst, sizeof(uint)) == 0
            && _api.PreferenceSet(preference, CublasLtApi.MinAlignmentB, &alignSecond, sizeof(uint)) == 0
            && _api.PreferenceSet(preference, CublasLtApi.MinAlignmentC, &alignResult, sizeof(uint)) == 0
            && _api.PreferenceSet(preference, CublasLtApi.MinAlignmentD, &alignResult, sizeof(uint)) == 0;
        CublasLtHeuristic best;
        int found = 0;
        ok = ok && _api.GetHeuristic(_handle, plan.Product, plan.First, plan.Second, plan.Result, plan.Result, preference, 1, &best, &found) == 0 && found > 0 && best.State == 0;
        if (preference != 0)
            _api.PreferenceDestroy(preference);
        if (!ok)
        {
            Free(plan);
            return null;
        }
        plan.Algorithm = best.Algorithm;
        return plan;
    }

    private nint Layout(DType type, int rows, int columns, long stride)
    {
        nint made;
        return _api.LayoutCreate(&made, TypeOf(type), (ulong)rows, (ulong)columns, stride) == 0 ? made : 0;
    }

    private void Free(Plan plan)
    {
        foreach (nint layout in (ReadOnlySpan<nint>)[plan.First, plan.Second, plan.Result])
        {
            if (layout != 0)
                _api.LayoutDestroy(layout);
        }
        if (plan.Product != 0)
            _api.DescDestroy(plan.Product);
    }

    private readonly record struct Shape(int M, int N, int K, DType Type, DType ResultType, long StrideA, long StrideB, long StrideC, bool TransposedA, bool TransposedB,
        int AlignA, int AlignB, int AlignC, bool Tf32);

    private sealed class Plan
    {
        public nint Product { get; set; }

        public nint First { get; set; }

        public nint Second { get; set; }

        public nint Result { get; set; }

        public CublasLtAlgorithm Algorithm { get; set; }
    }
}
