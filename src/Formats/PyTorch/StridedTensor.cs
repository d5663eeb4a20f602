using Marrow.Formats.Numerics;

namespace Marrow.Formats.PyTorch;

/// <summary>A tensor's place in the file, in bytes: the row-major bytes are runs that lie one behind the other or apart.</summary>
internal sealed class StridedTensor
{
    private readonly long[] _sizes;
    private readonly long[] _strides;

    public StridedTensor(TensorInfo info, TensorRef tensor, DataRange data)
    {
        Info = info;
        Data = data;
        Offset = tensor.Offset;
        int element = info.DType.Bits() / 8;
        // The innermost dimension is the bytes of one element; dimensions that continue each other are one.
        List<long> sizes = [element], strides = [1];
        for (int i = tensor.Sizes.Length - 1; i >= 0; i--)
        {
            long size = tensor.Sizes[i], stride = tensor.Strides[i];
            if (size == 1 || info.ByteLength == 0)
                continue;
            if (stride * element == sizes[^1] * strides[^1])
                sizes[^1] *= size;
            else
            {
                sizes.Add(size);
                strides.Add(stride * element);
            }
        }
        (_sizes, _strides) = ([.. sizes], [.. strides]);
        Span = info.ByteLength == 0 ? 0 : 1;
        for (int i = 0; i < _sizes.Length && info.ByteLength > 0; i++)
            Span += (_sizes[i] - 1) * _strides[i];
    }

    public TensorInfo Info { get; }

    public DataRange Data { get; }

    /// <summary>The first byte within the data.</summary>
    public long Offset { get; }

    /// <summary>The bytes of the data from the first to the last that the tensor uses.</summary>
    public long Span { get; }

    public bool IsContiguous => _sizes.Length == 1;

    /// <summary>The bytes of a run.</summary>
    public long RunBytes => _sizes[0];

    /// <summary>Where run number <paramref name="run"/> begins, counted from <see cref="Offset"/>.</summary>
    public long RunStart(long run)
    {
        long start = 0;
        for (int i = 1; i < _sizes.Length && run > 0; i++)
        {
            (run, long index) = Math.DivRem(run, _sizes[i]);
            start += index * _strides[i];
        }
        return start;
    }
}
