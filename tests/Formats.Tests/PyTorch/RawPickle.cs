using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>Puts pickle bytes together without our writer, so that they may be wrong.</summary>
internal sealed class RawPickle
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    public static implicit operator byte[](RawPickle pickle) => pickle.ToArray();

    public static RawPickle Start() => new RawPickle().Op(0x80, 2);

    /// <summary>A dictionary with one entry "w", which <paramref name="value"/> pushes.</summary>
    public static byte[] Dict(Action<RawPickle> value)
    {
        RawPickle pickle = Start().Op('}').Text("w");
        value(pickle);
        return pickle.Op('s').Stop();
    }

    public RawPickle Op(params byte[] operation)
    {
        _bytes.Write(operation);
        return this;
    }

    public RawPickle Op(char operation) => Op((byte)operation);

    public RawPickle Times(int count, params byte[] operations)
    {
        for (int i = 0; i < count; i++)
            _bytes.Write(operations);
        return this;
    }

    public byte[] Stop() => Op('.').ToArray();

    public RawPickle Text(string text)
    {
        byte[] encoded = Encoding.UTF8.GetBytes(text);
        return Op('X').UInt32((uint)encoded.Length).Op(encoded);
    }

    public RawPickle UInt32(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Op(bytes);
    }

    public RawPickle Int(long value)
    {
        byte[] bytes = new BigInteger(value).ToByteArray();
        return Op(0x8A, (byte)bytes.Length).Op(bytes);
    }

    public RawPickle Global(string module, string name) => Op('c').Op(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));

    public RawPickle Ints(params long[] values)
    {
        Op('(');
        foreach (long value in values)
            Int(value);
        return Op('t');
    }

    /// <summary>Pushes a storage by its persistent id; <paramref name="view"/> pushes a sixth field.</summary>
    public RawPickle Storage(string key = "0", string type = "FloatStorage", long count = 6, Action<RawPickle>? view = null)
    {
        Op('(').Text("storage").Global("torch", type).Text(key).Text("cpu").Int(count);
        view?.Invoke(this);
        return Op('t').Op('Q');
    }

    public RawPickle OrderedDict() => Global("collections", "OrderedDict").Op(')').Op('R');

    /// <summary>Pushes a tensor over a storage; sizes [2,3] with row-major strides unless given.</summary>
    public RawPickle Tensor(string key = "0", string type = "FloatStorage", long count = 6, long offset = 0, long[]? sizes = null, long[]? strides = null,
        Action<RawPickle>? view = null) =>
        Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage(key, type, count, view).Int(offset).Ints(sizes ?? [2, 3]).Ints(strides ?? [3, 1])
            .Op(0x89).OrderedDict().Op('t').Op('R');
}
