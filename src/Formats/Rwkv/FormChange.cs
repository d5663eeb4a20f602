using Marrow.Formats.Numerics;

namespace Marrow.Formats.Rwkv;

/// <summary>Shapes and bytes of a tensor between RWKV-LM's form and another, in both directions.</summary>
internal static class FormChange
{
    /// <summary>Fla's blocks r,w,k,v,g in RWKV-LM's order w,k,v,r,g.</summary>
    private static ReadOnlySpan<int> ToOfficialOrder => [1, 2, 3, 0, 4];

    /// <summary>RWKV-LM's blocks w,k,v,r,g in fla's order r,w,k,v,g.</summary>
    private static ReadOnlySpan<int> ToOtherOrder => [3, 0, 1, 2, 4];

    /// <summary>The official shape of what stands in another file as <paramref name="shape"/>; null where that shape is not the form's.</summary>
    public static long[]? OfficialShape(NamingRule rule, IReadOnlyList<long> shape) => (rule.Form, shape) switch
    {
        (TensorForm.Same, _) => [.. shape],
        (TensorForm.Vector, [var c]) => [1, 1, c],
        (TensorForm.Vector, [1, 1, var c]) => [1, 1, c],
        (TensorForm.Transposed, [var a, var b]) => [b, a],
        (TensorForm.Row, [var n, var c]) when n == rule.Rows => [1, 1, c],
        (TensorForm.MixDown, [var d, var c]) when d % 5 == 0 => [c, d],
        (TensorForm.MixUp, [var c, var d]) when d % 5 == 0 => [5, d / 5, c],
        _ => null,
    };

    /// <summary>The shape that an official tensor has in the other file; null where its shape is not the official one.</summary>
    public static long[]? OtherShape(NamingRule rule, IReadOnlyList<long> shape) => (rule.Form, shape) switch
    {
        (TensorForm.Same, _) => [.. shape],
        (TensorForm.Vector, [1, 1, var c]) => [c],
        (TensorForm.Transposed, [var a, var b]) => [b, a],
        (TensorForm.Row, [1, 1, var c]) => [rule.Rows, c],
        (TensorForm.MixDown, [var c, var d]) when d % 5 == 0 => [d, c],
        (TensorForm.MixUp, [5, var d, var c]) => [c, 5 * d],
        _ => null,
    };

    /// <summary>Whether the bytes stand in another order, not only under another shape.</summary>
    public static bool Moves(TensorForm form) => form is TensorForm.Transposed or TensorForm.MixDown or TensorForm.MixUp;

    /// <summary>The whole of a tensor whose bytes move, in the order of the official form or (<paramref name="toOther"/>) out of it.</summary>
    /// <exception cref="ModelFileException">FL003 an element is less than a byte, or the tensor too large for one array; otherwise as <see cref="ITensorSource.Read"/>.</exception>
    public static byte[] Move(ITensorSource source, TensorInfo info, TensorForm form, bool toOther)
    {
        int width = info.DType.Bits() / 8;
        if (info.DType.Bits() % 8 != 0 || info.ByteLength > Array.MaxLength)
            throw new ModelFileException("FL003", source.Path, $"tensor '{Echo.Name(info.Name)}' {info.ShapeText} of {info.DType} cannot be transposed: its elements are parts of bytes, or it is too large");
        byte[] stored = new byte[info.ByteLength], moved = new byte[info.ByteLength];
        source.Read(info.Name, 0, stored);
        int columns = (int)info.Shape[^1], rows = columns == 0 ? 0 : stored.Length / width / columns;
        // The axis of five blocks: fla has it as rows in MixDown and as columns in MixUp, RWKV-LM the other way round.
        bool blocksInRows = form == TensorForm.MixDown != toOther;
        ReadOnlySpan<int> order = form == TensorForm.Transposed ? [] : toOther ? ToOtherOrder : ToOfficialOrder;
        for (int r = 0; r < columns; r++)
        {
            int column = blocksInRows ? r : Reordered(r, columns, order);
            for (int c = 0; c < rows; c++)
            {
                int row = blocksInRows ? Reordered(c, rows, order) : c;
                stored.AsSpan((row * columns + column) * width, width).CopyTo(moved.AsSpan((r * rows + c) * width));
            }
        }
        return moved;
    }

    private static int Reordered(int i, int length, ReadOnlySpan<int> order)
    {
        if (order.IsEmpty)
            return i;
        int block = length / order.Length;
        return order[i / block] * block + i % block;
    }
}
