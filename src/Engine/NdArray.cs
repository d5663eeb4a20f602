using System.Numerics.Tensors;

namespace Marrow.Engine;

/// <summary>
/// A tensor in double precision on the managed heap: what the slow references compute with. Tests hold every device against them
/// and differentiate them numerically; nothing in training uses them.
/// </summary>
public sealed class NdArray
{
    private readonly int _columns;

    /// <summary>An array of zeros.</summary>
    public NdArray(Shape shape)
        : this(shape, new double[shape.Count])
    {
    }

    /// <summary>An array over given values, row-major.</summary>
    public NdArray(Shape shape, double[] values)
    {
        if (values.Length != shape.Count)
            throw new ArgumentException($"{values.Length} values for shape {shape}", nameof(values));
        Shape = shape;
        Values = values;
        _columns = shape.Last;
    }

    /// <summary>The dimensions.</summary>
    public Shape Shape { get; }

    /// <summary>The values, row-major.</summary>
    public double[] Values { get; }

    /// <summary>One value of the array seen as a matrix of rows.</summary>
    public double this[int row, int column]
    {
        get => Values[(long)row * _columns + column];
        set => Values[(long)row * _columns + column] = value;
    }

    /// <summary>A value for each element.</summary>
    public NdArray Map(Func<double, double> f) => new(Shape, Array.ConvertAll(Values, v => f(v)));

    /// <summary>A value for each pair of elements.</summary>
    public NdArray Zip(NdArray other, Func<double, double, double> f)
    {
        var result = new NdArray(Shape);
        for (int i = 0; i < Values.Length; i++)
            result.Values[i] = f(Values[i], other.Values[i]);
        return result;
    }

    /// <summary>this · otherᵀ, both seen as matrices: [N, k] × [M, k] → [N, M].</summary>
    public NdArray TimesTransposed(NdArray other)
    {
        int rows = Shape.Rows, columns = other.Shape.Rows, inner = Shape.Last;
        var result = new NdArray(new Shape(rows, columns));
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                result[i, j] = TensorPrimitives.Dot<double>(Values.AsSpan(i * inner, inner), other.Values.AsSpan(j * inner, inner));
        return result;
    }

    /// <summary>The matrix with rows and columns exchanged.</summary>
    public NdArray Transposed()
    {
        int rows = Shape.Rows, columns = Shape.Last;
        var result = new NdArray(new Shape(columns, rows));
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                result[j, i] = this[i, j];
        return result;
    }
}
