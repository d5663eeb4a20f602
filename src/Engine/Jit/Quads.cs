using System.Numerics;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Jit;

/// <summary>Runs of four elements: what kernels load and store at once.</summary>
internal static class Quads
{
    /// <summary>Whole runs of four among <paramref name="n"/> elements from each tensor's start on; 0 where one of the tensors starts between two runs.</summary>
    public static int In(int n, Tensor a, Tensor? b = null, Tensor? c = null, Tensor? d = null, Tensor? e = null) =>
        IsAligned(a) && IsAligned(b) && IsAligned(c) && IsAligned(d) && IsAligned(e) ? n / 4 : 0;

    /// <summary>As <see cref="In"/> for every one of many rows of <paramref name="n"/> elements: 0 where rows start between two runs.</summary>
    public static int InRows(int n, Tensor a, Tensor? b = null, Tensor? c = null, Tensor? d = null, Tensor? e = null) =>
        n % 4 == 0 ? In(n, a, b, c, d, e) : 0;

    /// <summary>Σ a·b, in kernels.</summary>
    public static float Dot(Vector4 a, Vector4 b) => a.X * b.X + a.Y * b.Y + (a.Z * b.Z + a.W * b.W);

    private static bool IsAligned(Tensor? tensor) => tensor is null || tensor.DType.IsBlock() || tensor.Offset % tensor.DType.Bytes(4) == 0;
}
