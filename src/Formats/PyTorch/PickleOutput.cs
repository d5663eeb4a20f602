using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Marrow.Formats.PyTorch;

/// <summary>Writes the pickle of a state dict, protocol 2, with the operations that torch's own restricted reader takes (spec/formats.md §4.4).</summary>
internal sealed class PickleOutput
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly Dictionary<string, byte> _memo = [];

    /// <summary>An OrderedDict of the tensors; the data of number i are the storage with the key "i".</summary>
    public static ReadOnlyMemory<byte> StateDict(IReadOnlyList<TensorToWrite> tensors)
    {
        PickleOutput pickle = new();
        pickle.Operation(0x80).Operation(2).EmptyOrderedDict().Operation('(');
        for (int i = 0; i < tensors.Count; i++)
            pickle.Text(tensors[i].Name).Tensor(tensors[i], i);
        pickle.Operation('u').Operation('.');
        return pickle._buffer.WrittenMemory;
    }

    private PickleOutput Tensor(TensorToWrite tensor, int key)
    {
        long[] strides = new long[tensor.Shape.Count];
        long count = 1, stride = 1;
        for (int i = strides.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(tensor.Shape[i], 1);
            count *= tensor.Shape[i];
        }
        Global("torch._utils", "_rebuild_tensor_v2").Operation('(');
        Operation('(').Shared("storage").Global("torch", TorchName.StorageOf(tensor.DType)!.Short)
            .Text(key.ToString(CultureInfo.InvariantCulture)).Shared("cpu").Number(count).Operation('t').Operation('Q');
        return Number(0).Numbers(tensor.Shape).Numbers(strides).Operation(0x89).EmptyOrderedDict().Operation('t').Operation('R');
    }

    private PickleOutput EmptyOrderedDict() => Global("collections", "OrderedDict").Operation(')').Operation('R');

    private PickleOutput Numbers(IReadOnlyList<long> numbers)
    {
        if (numbers.Count > 3)
            Operation('(');
        foreach (long number in numbers)
            Number(number);
        return Operation(numbers.Count switch { 0 => ')', 1 => 0x85, 2 => 0x86, 3 => 0x87, _ => 't' });
    }

    private PickleOutput Number(long number)
    {
        switch (number)
        {
            case >= 0 and <= byte.MaxValue:
                return Operation('K').Operation((byte)number);
            case >= 0 and <= ushort.MaxValue:
                Operation('M');
                BinaryPrimitives.WriteUInt16LittleEndian(_buffer.GetSpan(2), (ushort)number);
                _buffer.Advance(2);
                return this;
            case >= 0 and <= int.MaxValue:
                Operation('J');
                BinaryPrimitives.WriteInt32LittleEndian(_buffer.GetSpan(4), (int)number);
                _buffer.Advance(4);
                return this;
            default:
                byte[] bytes = new BigInteger(number).ToByteArray();
                Operation(0x8A).Operation((byte)bytes.Length);
                _buffer.Write(bytes);
                return this;
        }
    }

    private PickleOutput Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Operation('X');
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.GetSpan(4), bytes.Length);
        _buffer.Advance(4);
        _buffer.Write(bytes);
        return this;
    }

    /// <summary>A text that comes often: written once, then recalled.</summary>
    private PickleOutput Shared(string text) => Recall(text) ? this : Text(text).Memoize(text);

    private PickleOutput Global(string module, string name)
    {
        string line = $"{module}\n{name}\n";
        if (Recall(line))
            return this;
        Operation('c');
        _buffer.Write(Encoding.ASCII.GetBytes(line));
        return Memoize(line);
    }

    private bool Recall(string what)
    {
        bool known = _memo.TryGetValue(what, out byte number);
        if (known)
            Operation('h').Operation(number);
        return known;
    }

    private PickleOutput Memoize(string what)
    {
        byte number = (byte)_memo.Count;
        _memo.Add(what, number);
        return Operation('q').Operation(number);
    }

    private PickleOutput Operation(int code)
    {
        _buffer.GetSpan(1)[0] = (byte)code;
        _buffer.Advance(1);
        return this;
    }
}
