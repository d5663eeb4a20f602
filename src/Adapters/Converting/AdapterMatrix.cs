using System.Numerics.Tensors;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Converting;

/// <summary>
/// A matrix of an adapter, row-major, that is made only when it is read, so that a conversion holds one tensor at a time. What is made of stored
/// values is exact unless <see cref="IsRounded"/> says so.
/// </summary>
public sealed class AdapterMatrix
{
    internal const int MostValues = 1 << 29;
    private readonly Func<float[]> _read;

    /// <summary>A matrix of <paramref name="rows"/> × <paramref name="columns"/> values that <paramref name="read"/> makes, to be stored as <paramref name="type"/>.</summary>
    /// <exception cref="MarrowException">AC002 it would be too large.</exception>
    public AdapterMatrix(int rows, int columns, DType type, Func<float[]> read)
    {
        (Rows, Columns, Type, _read) = (rows, columns, type, read);
        if ((long)rows * columns > MostValues)
            throw new MarrowException("AC002", $"A factor of LoRA would have the shape [{rows},{columns}], more than {MostValues} values; choose a lower rank (--approximate --rank 32). [AC002]");
    }

    /// <summary>Rows.</summary>
    public int Rows { get; }

    /// <summary>Columns.</summary>
    public int Columns { get; }

    /// <summary>The type that holds its values: F32, F16 or BF16.</summary>
    public DType Type { get; }

    /// <summary>Whether making it rounds values (once).</summary>
    public bool IsRounded { get; private init; }

    /// <summary>"[2,3]".</summary>
    public string ShapeText => $"[{Rows},{Columns}]";

    /// <summary>The stored matrix of a file; a vector counts as one row. Blocks are decoded to F32, F64 is rounded to it.</summary>
    /// <exception cref="ModelFileException">AC002 it is no matrix of real numbers, or too large.</exception>
    public static AdapterMatrix Of(ITensorSource source, string name)
    {
        TensorInfo info = source.Require(name);
        if (info.Shape.Count is not (1 or 2) || !info.DType.IsReal() || info.Shape.Any(d => d is < 1 or > int.MaxValue) || info.Count > MostValues)
            throw new ModelFileException("AC002", source.Path, $"tensor '{Echo.Name(name)}' {info.DType} {info.ShapeText} is no matrix of real numbers with at most {MostValues} values; such adapters (convolutions, experts) are not supported");
        DType type = info.DType is DType.F16 or DType.BF16 ? info.DType : DType.F32;
        return new AdapterMatrix(info.Shape.Count == 1 ? 1 : (int)info.Shape[0], (int)info.Shape[^1], type, () => ReadFinite(source, name)) { IsRounded = info.DType == DType.F64 };
    }

    /// <summary>Values in memory, fp32, computed and rounded once.</summary>
    public static AdapterMatrix Of(int rows, int columns, float[] values) => new(rows, columns, DType.F32, () => [.. values]) { IsRounded = true };

    /// <summary>Zeros with ones where <paramref name="isOne"/> says so of row and column: exact in every type.</summary>
    public static AdapterMatrix OfOnes(int rows, int columns, DType type, Func<int, int, bool> isOne) => new(rows, columns, type, () =>
    {
        var values = new float[(long)rows * columns];
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                values[(long)i * columns + j] = isOne(i, j) ? 1 : 0;
        return values;
    });

    /// <summary>The values, made anew at every call.</summary>
    public float[] Read() => _read();

    /// <summary>The values in double precision.</summary>
    public double[] ReadDoubles()
    {
        float[] values = _read();
        var doubles = new double[values.Length];
        TensorPrimitives.ConvertChecked<float, double>(values, doubles);
        return doubles;
    }

    /// <summary>Columns for rows.</summary>
    public AdapterMatrix Transposed() => Derived(Columns, Rows, () => Transpose(_read(), Rows, Columns));

    /// <summary>Row i is row <paramref name="order"/>[i] of this; a shorter order takes some of the rows.</summary>
    public AdapterMatrix WithRows(IReadOnlyList<int> order) => Derived(order.Count, Columns, () =>
    {
        float[] values = _read(), moved = new float[(long)order.Count * Columns];
        for (int i = 0; i < order.Count; i++)
            values.AsSpan(order[i] * Columns, Columns).CopyTo(moved.AsSpan(i * Columns));
        return moved;
    });

    /// <summary>This above <paramref name="other"/>, which has as many columns.</summary>
    public AdapterMatrix Above(AdapterMatrix other) => new(Rows + other.Rows, Columns, Wider(other), () => [.. _read(), .. other._read()]) { IsRounded = IsRounded || other.IsRounded };

    /// <summary>This to the left of <paramref name="other"/>, which has as many rows.</summary>
    public AdapterMatrix Beside(AdapterMatrix other) => new(Rows, Columns + other.Columns, Wider(other), () =>
    {
        float[] left = _read(), right = other._read(), both = new float[left.Length + right.Length];
        for (int i = 0; i < Rows; i++)
        {
            left.AsSpan(i * Columns, Columns).CopyTo(both.AsSpan(i * (Columns + other.Columns)));
            right.AsSpan(i * other.Columns, other.Columns).CopyTo(both.AsSpan(i * (Columns + other.Columns) + Columns));
        }
        return both;
    }) { IsRounded = IsRounded || other.IsRounded };

    /// <summary>The sum with <paramref name="other"/>, which has the same shape: in double precision, rounded to fp32.</summary>
    public AdapterMatrix Plus(AdapterMatrix other) => new(Rows, Columns, DType.F32, () =>
    {
        float[] sum = _read(), added = other._read();
        for (int i = 0; i < sum.Length; i++)
            sum[i] = (float)((double)sum[i] + added[i]);
        return sum;
    }) { IsRounded = true };

    /// <summary>The same values, to be stored as fp32.</summary>
    public AdapterMatrix Widened() => Type == DType.F32 ? this : new(Rows, Columns, DType.F32, _read) { IsRounded = IsRounded };

    /// <summary>Zeros of this type.</summary>
    public AdapterMatrix Zeros(int rows, int columns) => new(rows, columns, Type, () => new float[(long)rows * columns]);

    /// <summary>
    /// Every value times <paramref name="factor"/>, multiplied in double precision: in the same type where it holds every product exactly, else in fp32,
    /// rounded once. Reads the values once to find out.
    /// </summary>
    public AdapterMatrix Times(double factor)
    {
        if (factor == 1)
            return this;
        bool exact = true, same = true;
        foreach (float v in _read())
        {
            double product = v * factor;
            float narrow = (float)product;
            exact &= narrow == product;
            same &= IsHeld(Type, narrow);
        }
        return new AdapterMatrix(Rows, Columns, exact && same ? Type : DType.F32, () =>
        {
            float[] values = _read();
            for (int i = 0; i < values.Length; i++)
                values[i] = (float)(values[i] * factor);
            return values;
        }) { IsRounded = IsRounded || !exact };
    }

    /// <summary>This as a tensor to be written; <paramref name="shape"/> is [rows, columns] where it is not given.</summary>
    public TensorToWrite ToWrite(string name, IReadOnlyList<long>? shape = null)
    {
        IReadOnlyList<long> dimensions = shape ?? [Rows, Columns];
        return new TensorToWrite(name, Type, dimensions, stream =>
        {
            float[] values = _read();
            if (values.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
                throw new MarrowException("AC010", $"tensor '{Echo.Name(name)}' [{string.Join(',', dimensions)}] would hold values that are too large for fp32, because of its scale or weight; nothing is written. Give a smaller weight (--weight, --add), or correct the adapter's alpha. [AC010]");
            TensorToWrite.FromFloats(name, dimensions, values, Type).Write(stream);
        });
    }

    internal static float[] Transpose(float[] values, int rows, int columns)
    {
        const int Tile = 32;
        var turned = new float[values.Length];
        for (int i0 = 0; i0 < rows; i0 += Tile)
            for (int j0 = 0; j0 < columns; j0 += Tile)
                for (int i = i0; i < Math.Min(rows, i0 + Tile); i++)
                    for (int j = j0; j < Math.Min(columns, j0 + Tile); j++)
                        turned[(long)j * rows + i] = values[(long)i * columns + j];
        return turned;
    }

    /// <summary>The values of a stored tensor.</summary>
    /// <exception cref="ModelFileException">AC010 some are not finite: sums and decompositions could lose them among the others.</exception>
    internal static float[] ReadFinite(ITensorSource source, string name)
    {
        float[] values = source.ReadFloats(name);
        return !values.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue) ? values
            : throw new ModelFileException("AC010", source.Path, $"tensor '{Echo.Name(name)}' {source.Tensors[name].ShapeText} holds values that are not finite, and nothing is made of it; take an earlier checkpoint of the adapter");
    }

    private AdapterMatrix Derived(int rows, int columns, Func<float[]> read) => new(rows, columns, Type, read) { IsRounded = IsRounded };

    private DType Wider(AdapterMatrix other) => Type == other.Type ? Type : DType.F32;

    private static bool IsHeld(DType type, float value) => type switch
    {
        DType.F16 => (float)(Half)value == value,
        DType.BF16 => (float)(BFloat16)value == value,
        _ => true,
    };
}
