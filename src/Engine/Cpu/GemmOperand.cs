using Marrow.Formats.Numerics;

namespace Marrow.Engine.Cpu;

/// <summary>
/// One input of a matrix product: a row-major matrix in memory that the caller keeps alive, fp32 or bf16, taken as it is or transposed.
/// </summary>
public readonly unsafe struct GemmOperand
{
    /// <summary>An fp32 matrix whose rows lie <paramref name="stride"/> elements apart; with <paramref name="transposed"/> the product uses its transpose.</summary>
    public GemmOperand(float* data, int stride, bool transposed = false)
        : this((void*)data, stride, transposed, false)
    {
    }

    /// <summary>A bf16 matrix, widened to fp32 as it is read; otherwise like the fp32 one.</summary>
    public GemmOperand(BFloat16* data, int stride, bool transposed = false)
        : this((void*)data, stride, transposed, true)
    {
    }

    private GemmOperand(void* data, int stride, bool transposed, bool bfloat16)
    {
        Data = data;
        Stride = stride;
        Transposed = transposed;
        IsBFloat16 = bfloat16;
    }

    /// <summary>The first element.</summary>
    public void* Data { get; }

    /// <summary>Elements from one stored row to the next.</summary>
    public int Stride { get; }

    /// <summary>Whether the product uses the transpose of what is stored.</summary>
    public bool Transposed { get; }

    /// <summary>Whether the elements are bf16, not fp32.</summary>
    public bool IsBFloat16 { get; }

    /// <summary>Where element (row, column) of the operand, after any transposition, lies.</summary>
    internal void* At(int row, int column)
    {
        nint offset = Transposed ? (nint)column * Stride + row : (nint)row * Stride + column;
        return IsBFloat16 ? (BFloat16*)Data + offset : (float*)Data + offset;
    }
}
