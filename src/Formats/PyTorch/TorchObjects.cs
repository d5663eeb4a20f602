using Marrow.Formats.Numerics;

namespace Marrow.Formats.PyTorch;

/// <summary>Makes the error that names the file and the place in the pickle.</summary>
internal delegate ModelFileException PickleFault(string code, string message);

/// <summary>
/// Makes storages and tensors from what the pickle says of them, with every check that needs no other part of the file
/// (spec/formats.md §4.3): afterwards each tensor lies inside the storage that the pickle states.
/// </summary>
internal sealed class TorchObjects(long fileLength)
{
    private const int MostDimensions = 32;
    public const int LongestKey = 255;

    private readonly Dictionary<string, StorageRef> _storages = [];

    /// <summary>Every storage by key.</summary>
    public IReadOnlyDictionary<string, StorageRef> Storages => _storages;

    /// <summary>The bytes that one tensor may have: repeated elements can make a huge tensor of a small file.</summary>
    public static long LargestTensor(long fileLength) => Math.Max(fileLength <= long.MaxValue / 10 ? 10 * fileLength : long.MaxValue, 64L << 20);

    /// <summary>The storage of a persistent id ('storage', class, key, location, count[, view]).</summary>
    public StorageView Storage(object id, PickleFault fault)
    {
        if (id is not PickleTuple { Items: ["storage", TorchName { Kind: TorchKind.Storage } type, string key, string, long count, .. object[] rest] } || count < 0
            || rest.Length > 1)
            throw fault("PT033", "a persistent id is not ('storage', class, key, location, count)");
        if (key.Length > LongestKey)
            throw fault("PT016", $"a storage key has {key.Length} characters; at most {LongestKey} are allowed");
        if (count > long.MaxValue / 128)
            throw fault("PT018", $"storage '{Echo.Name(key)}' states {count} elements, more than any file holds");
        StorageRef made = new(key, type.Short, type.Type, count);
        if (!_storages.TryAdd(key, made) && _storages[key] != made)
            throw fault("PT022", $"storage '{Echo.Name(key)}' is named as {made.Class} of {count} and as {_storages[key].Class} of {_storages[key].Count}");
        made = _storages[key];
        return rest switch
        {
            [] or [PickleNone] => new StorageView(made, 0, count),
            [PickleTuple { Items: [string, long first, long part] }] when first >= 0 && part >= 0 && part <= count && first <= count - part => new StorageView(made, first, part),
            _ => throw fault("PT019", $"a view of storage '{Echo.Name(key)}' does not lie within its {count} elements"),
        };
    }

    /// <summary>What a call stands for; the callee comes from the allow-list.</summary>
    public object Call(TorchName callee, object[] args, PickleFault fault) => (callee.Kind, args) switch
    {
        (TorchKind.OrderedDict, []) => new PickleDict(),
        (TorchKind.OrderedDict, [PickleList pairs]) => FromPairs(pairs, fault),
        (TorchKind.Tensor, [StorageView storage, long offset, PickleTuple sizes, PickleTuple strides]) =>
            Tensor(storage, storage.Storage.Type, offset, sizes, strides, fault),
        (TorchKind.TensorV2, [StorageView storage, long offset, PickleTuple sizes, PickleTuple strides, _, _, ..]) when args.Length <= 7 =>
            Tensor(storage, storage.Storage.Type, offset, sizes, strides, fault),
        (TorchKind.TensorV3, [StorageView storage, long offset, PickleTuple sizes, PickleTuple strides, _, _, TorchName { Kind: TorchKind.ElementType } type, ..])
            when args.Length <= 8 => Tensor(storage, type.Type, offset, sizes, strides, fault),
        (TorchKind.Parameter or TorchKind.TensorClass, [TensorRef tensor, ..]) => tensor,
        (TorchKind.FromType, [TorchName { Kind: TorchKind.Tensor or TorchKind.TensorV2 or TorchKind.TensorV3 or TorchKind.Parameter } inner,
            TorchName { Kind: TorchKind.TensorClass }, PickleTuple inside, _]) => Call(inner, inside.Items, fault),
        (TorchKind.Size, [PickleTuple size]) => size,
        (TorchKind.Opaque, _) => PickleOpaque.Value,
        _ => throw fault("PT033", $"a call of {callee.Name} has other arguments than torch gives it"),
    };

    private static PickleDict FromPairs(PickleList pairs, PickleFault fault)
    {
        PickleDict dict = new();
        foreach (object pair in pairs.Items)
        {
            if (pair is PickleTuple { Items: [var k, var v] })
                dict.Set(k, v);
            else if (pair is PickleList { Items: [var key, var value] } && PickleDict.CanBeKey(key))
                dict.Set(key, value);
            else
                throw fault("PT033", "an OrderedDict is made from something else than pairs");
        }
        return dict;
    }

    private TensorRef Tensor(StorageView view, DType type, long offset, PickleTuple sizes, PickleTuple strides, PickleFault fault)
    {
        int element = type.Bits() / 8;
        if (view.Storage.Type != type && view.Storage.Type != DType.U8)
            throw fault("PT022", $"a tensor of {type} lies over storage {Key()} of {view.Storage.Type}");
        if (offset < 0 || sizes.Items.Length != strides.Items.Length || sizes.Items.Length > MostDimensions)
            throw fault("PT020",
                $"a tensor over storage {Key()} has offset {offset}, {sizes.Items.Length} sizes and {strides.Items.Length} strides; at most {MostDimensions} of each, equally many, are allowed");
        long[] size = Numbers(sizes, "size", fault), stride = Numbers(strides, "stride", fault);
        UInt128 count = 1, last = (ulong)offset;
        bool empty = Array.IndexOf(size, 0L) >= 0;
        for (int i = 0; i < size.Length; i++)
        {
            count *= (ulong)Math.Max(size[i], 1);
            last += empty ? 0 : (UInt128)(ulong)(size[i] - 1) * (ulong)stride[i];
            if (count > long.MaxValue / 128 || last > long.MaxValue)
                throw fault("PT020", $"a tensor of shape [{string.Join(',', size)}] over storage {Key()} has more elements, or elements further away, than any file holds");
        }
        // Elements of another size than the storage's (an untyped one counts bytes) may not begin within its last bytes.
        UInt128 room = (UInt128)(ulong)view.Count * (uint)(view.Storage.Type.Bits() / 8) / (uint)element;
        if (!empty && last >= room)
            throw fault("PT019", $"a tensor of shape [{string.Join(',', size)}], strides [{string.Join(',', stride)}] at {offset} ends at element {last} of storage {Key()}, which has {room}");
        if (!empty && count * (uint)element > (ulong)LargestTensor(fileLength))
            throw fault("PT021", $"a tensor of shape [{string.Join(',', size)}] over storage {Key()} repeats elements up to {count * (uint)element} bytes; at most {LargestTensor(fileLength)} are allowed in a file of {fileLength}");
        return new TensorRef(view.Storage, type, empty ? 0 : view.Storage.Type.Bytes(view.First) + offset * element, size, stride);

        string Key() => Echo.Quote(view.Storage.Key);
    }

    private static long[] Numbers(PickleTuple tuple, string what, PickleFault fault)
    {
        long[] numbers = new long[tuple.Items.Length];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = tuple.Items[i] is long n and >= 0 ? n
                : throw fault("PT020", $"a tensor's {what} {i} is {(tuple.Items[i] is long m ? m.ToString(System.Globalization.CultureInfo.InvariantCulture) : "no integer of 64 bits")}; it must be an integer of at least 0");
        return numbers;
    }
}
