using Marrow.Formats.Numerics;

namespace Marrow.Formats.PyTorch;

/// <summary>Python's None.</summary>
internal sealed class PickleNone
{
    public static readonly PickleNone Value = new();

    private PickleNone()
    {
    }
}

/// <summary>A tuple; whether it may be a dictionary's key is known from its items, so that shared nesting is never walked.</summary>
internal sealed class PickleTuple(object[] items)
{
    public object[] Items => items;

    public bool CanBeKey { get; } = Array.TrueForAll(items, PickleDict.CanBeKey);
}

/// <summary>A list or a set; it may hold itself.</summary>
internal sealed class PickleList
{
    public List<object> Items { get; } = [];
}

/// <summary>A dictionary, ordered or not, as the pairs that were set, in their order; a key set again stands twice.</summary>
internal sealed class PickleDict
{
    public List<KeyValuePair<object, object>> Pairs { get; } = [];

    /// <summary>How many of the values are tensors.</summary>
    public int TensorCount { get; private set; }

    public void Set(object key, object value)
    {
        Pairs.Add(new(key, value));
        TensorCount += value is TensorRef ? 1 : 0;
    }

    public static bool CanBeKey(object value) =>
        value is string or long or System.Numerics.BigInteger or bool or double or byte[] or PickleNone or TorchName or PickleTuple { CanBeKey: true };
}

/// <summary>A value that a checkpoint may hold and that no tensor depends on; nothing of it is kept.</summary>
internal sealed class PickleOpaque
{
    public static readonly PickleOpaque Value = new();

    private PickleOpaque()
    {
    }
}

/// <summary>A storage as the pickle names it.</summary>
/// <param name="Key">Its key within the file.</param>
/// <param name="Class">Torch's class name, as "FloatStorage".</param>
/// <param name="Type">The type of its elements; U8 for an untyped one.</param>
/// <param name="Count">Its elements.</param>
internal sealed record StorageRef(string Key, string Class, DType Type, long Count)
{
    /// <summary>Its size in bytes.</summary>
    public long Bytes => Type.Bytes(Count);
}

/// <summary>A part of a storage, in its elements: old files name views as storages of their own.</summary>
internal sealed record StorageView(StorageRef Storage, long First, long Count);

/// <summary>A tensor: <paramref name="Type"/> elements over a storage from byte <paramref name="Offset"/> on, sizes and strides in elements; all checked to lie inside.</summary>
internal sealed record TensorRef(StorageRef Storage, DType Type, long Offset, long[] Sizes, long[] Strides)
{
    /// <summary>The bytes of its elements, row-major.</summary>
    public long Bytes
    {
        get
        {
            long count = 1;
            foreach (long size in Sizes)
                count *= size;
            return Type.Bytes(count);
        }
    }
}
