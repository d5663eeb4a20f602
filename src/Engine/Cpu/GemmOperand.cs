using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Cpu;

/// <summary>
/// One input of a matrix product: a row-major matrix in memory that the caller keeps alive, taken as it is or transposed: fp32, bf16, or as the
/// second input rows of quantised blocks.
/// </summary>
public readonly unsafe struct GemmOperand
{
    /// <summary>An fp32 matrix whose rows lie <paramref name="stride"/> elements apart; with <paramref name="transposed"/> the product uses its transpose.</summary>
    public GemmOperand(float* data, int stride, bool transposed = false)
        : this(data, stride, transposed, false, null)
    {
    }

    /// <summary>A bf16 matrix, widened to fp32 as it is read; otherwise like the fp32 one.</summary>
    public GemmOperand(BFloat16* data, int stride, bool transposed = false)
        : this(data, stride, transposed, true, null)
    {
    }

    /// <summary>
    /// A matrix stored in blocks along its rows, decoded to fp32 as it is read; <paramref name="stride"/> elements are whole blocks. The product has the
    /// bits of the product with the decoded matrix.
    /// </summary>
    public GemmOperand(byte* data, BlockFormat format, int stride, bool transposed = false)
        : this(data, stride, transposed, false, format)
    {
    }

    private GemmOperand(void* data, int stride, bool transposed, bool bfloat16, BlockFormat? format)
    {
        Format = format;
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

    /// <summary>The layout of the blocks; null for fp32 and bf16.</summary>
    public BlockFormat? Format { get; }

    /// <summary>The same matrix without its first rows and columns, after any transposition. Not for blocks.</summary>
    internal GemmOperand From(int row, int column) => new(At(row, column), Stride, Transposed, IsBFloat16, null);

    /// <summary>Where element (row, column) of the operand, after any transposition, lies. Not for blocks.</summary>
    internal void* At(int row, int column)
    {
        nint offset = Transposed ? (nint)column * Stride + row : (nint)row * Stride + column;
        return IsBFloat16 ? (BFloat16*)Data + offset : (float*)Data + offset;
    }
}
