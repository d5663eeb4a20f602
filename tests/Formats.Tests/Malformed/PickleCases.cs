using Marrow.Formats.Tests.PyTorch;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 61 to 70: the pickle of a torch checkpoint.</summary>
internal static class PickleCases
{
    public static List<MalformedCase> All()
    {
        List<MalformedCase> rows = [];
        void Add(int number, string what, string? code, Func<byte[]> pickle) => rows.Add(PthContainerCases.Row(number, what, code, () => RawZip.Of(pickle())));
        void Value(int number, string what, string code, Action<RawPickle> value) => Add(number, what, code, () => RawPickle.Dict(value));

        Value(61, "os.system", "PT010", p => p.Global("os", "system").Text("echo").Op(0x85).Op('R'));
        Value(61, "posix.system", "PT010", p => p.Global("posix", "system"));
        Value(61, "builtins.eval", "PT010", p => p.Global("builtins", "eval"));
        Value(61, "getattr under an allowed module", "PT010", p => p.Global("torch._utils", "getattr"));
        Value(61, "torch.load", "PT010", p => p.Global("torch", "load"));
        Value(61, "dotted name", "PT010", p => p.Global("torch", "Tensor.__init__"));
        Value(61, "STACK_GLOBAL of texts", "PT010", p => p.Text("posix").Text("system").Op(0x93));
        Value(61, "NEWOBJ of a class", "PT010", p => p.Global("subprocess", "Popen").Op(')').Op(0x81));
        Value(61, "numpy scalar", "PT010", p => p.Global("numpy.core.multiarray", "scalar"));
        Value(61, "STACK_GLOBAL of 300 characters", "PT010", p => p.Text("torch").Text(new string('x', 300)).Op(0x93));
        Value(62, "operation 0xFF", "PT011", p => p.Op(0xFF));
        Value(62, "INST", "PT011", p => p.Op('(').Op("ios\nsystem\n"u8.ToArray()));
        Value(62, "OBJ", "PT011", p => p.Op('(').Op('o'));
        Value(62, "EXT1", "PT011", p => p.Op(0x82, 1));
        Value(62, "PERSID", "PT011", p => p.Op("P0\n"u8.ToArray()));
        Value(62, "DUP", "PT011", p => p.Op('2'));
        Value(62, "BYTEARRAY8", "PT011", p => p.Op(0x96).UInt32(0).UInt32(0));
        Value(62, "BUFFER", "PT011", p => p.Op(0x97));
        Value(62, "NEWOBJ_EX", "PT011", p => p.Op(0x92));
        Add(62, "protocol 6", "PT011", () => new RawPickle().Op(0x80, 6).Op('N').Stop());
        Add(62, "empty", "PT012", () => []);
        Add(62, "no STOP", "PT012", () => RawPickle.Start().Op('N'));
        Add(62, "operand cut", "PT012", () => RawPickle.Start().Op('J').Op(1, 2, 3));
        Add(62, "BINUNICODE of 2^32-1", "PT012", () => RawPickle.Start().Op('X').UInt32(uint.MaxValue).Op("abc"u8.ToArray()));
        Add(62, "BINUNICODE8 of 2^64-1", "PT012", () => RawPickle.Start().Op(0x8D).UInt32(uint.MaxValue).UInt32(uint.MaxValue));
        Add(62, "BINBYTES of 2^31", "PT012", () => RawPickle.Start().Op('B').UInt32(1u << 31));
        Add(62, "LONG1 of 255 bytes", "PT012", () => RawPickle.Start().Op(0x8A, 255));
        Add(62, "GLOBAL without an end", "PT012", () => RawPickle.Start().Op('c').Times(300, (byte)'x'));
        Value(62, "text is not UTF-8", "PT012", p => p.Op('X').UInt32(2).Op(0xC3, 0x28));
        Value(62, "lone surrogate", "PT012", p => p.Op('X').UInt32(3).Op(0xED, 0xA0, 0x80));
        Add(63, "stack underflow", "PT013", () => RawPickle.Start().Op('0').Stop());
        Add(63, "TUPLE3 of two", "PT013", () => RawPickle.Start().Op('N').Op('N').Op(0x87).Stop());
        Add(63, "reaches below a mark", "PT013", () => RawPickle.Start().Op('}').Op('N').Op('(').Op('N').Op('s').Stop());
        Add(63, "mark missing", "PT013", () => RawPickle.Start().Op('}').Op('u').Stop());
        Add(63, "two values left", "PT013", () => RawPickle.Start().Op('N').Op('N').Stop());
        Add(63, "mark left", "PT013", () => RawPickle.Start().Op('(').Op('N').Stop());
        Add(63, "nothing left", "PT013", () => RawPickle.Start().Stop());
        Value(63, "memo number missing", "PT013", p => p.Op((byte)'h', 9));
        Value(63, "memo number 2^32-1", "PT013", p => p.Op('j').UInt32(uint.MaxValue));
        Value(65, "memo far off", "PT015", p => p.Op('N').Op('r').UInt32(uint.MaxValue));
        Add(63, "list as key", "PT013", () => RawPickle.Start().Op('}').Op(']').Op('N').Op('s').Stop());
        Add(63, "tuple with a list as key", "PT013", () => RawPickle.Start().Op('}').Op(']').Op(0x85).Op('N').Op('s').Stop());
        Add(63, "SETITEMS of three", "PT013", () => RawPickle.Start().Op('}').Op('(').Text("a").Op('N').Text("b").Op('u').Stop());
        Add(63, "SETITEM in a list", "PT013", () => RawPickle.Start().Op(']').Text("a").Op('N').Op('s').Stop());
        Add(63, "APPEND to a dictionary", "PT013", () => RawPickle.Start().Op('}').Op('N').Op('a').Stop());
        Value(63, "call of a text", "PT013", p => p.Text("os.system").Op(')').Op('R'));
        Value(63, "call without a tuple", "PT013", p => p.Global("collections", "OrderedDict").Op('N').Op('R'));
        Value(63, "BUILD on a text", "PT013", p => p.Text("x").Op('}').Op('b'));
        Value(63, "STACK_GLOBAL of numbers", "PT013", p => p.Int(1).Int(2).Op(0x93));
        Add(65, "10^7 steps of NONE and POP", "PT015", () => RawPickle.Start().Times(5_000_001, (byte)'N', (byte)'0'));
        Add(65, "10^7 values on the stack", "PT015", () => RawPickle.Start().Times(10_000_000, (byte)'N'));
        Add(65, "10^7 marks", "PT015", () => RawPickle.Start().Times(10_000_000, (byte)'('));
        Add(65, "5 * 10^6 lists", "PT015", () => RawPickle.Start().Times(5_000_000, (byte)']', (byte)'0'));
        Add(65, "30 MB of text", "PT015", () => RawPickle.Start().Op('X').UInt32(30_000_000).Times(30_000_000, (byte)'x').Stop());
        Add(65, "30 MB of bytes", "PT015", () => RawPickle.Start().Op('B').UInt32(30_000_000).Times(30_000_000, (byte)'x').Stop());
        Add(64, "a long list made into dictionaries", "PT015", () => RawPickle.Start().Op(']').Op((byte)'q', 0).Op('(').Times(10_000, (byte)'N', (byte)'N', 0x86).Op('e')
            .Global("collections", "OrderedDict").Op((byte)'q', 1).Times(100_000, (byte)'h', 1, (byte)'h', 0, 0x85, (byte)'R', (byte)'0').Stop());
        Value(66, "storage key ../../x", "PT016", p => p.Tensor("../../x"));
        Value(66, "storage key of 300 characters", "PT016", p => p.Tensor(new string('1', 300)));
        Value(66, "storage key empty", "PT016", p => p.Tensor(""));
        Value(66, "storage key absent", "PT017", p => p.Tensor("1"));
        Value(66, "too few elements", "PT018", p => p.Tensor(count: 5, sizes: [5], strides: [1]));
        Value(66, "too many elements", "PT018", p => p.Tensor(count: 7));
        Value(66, "2^62 elements", "PT018", p => p.Tensor(count: 1L << 62));
        Value(67, "offset past the storage", "PT019", p => p.Tensor(offset: 1));
        Value(67, "stride past the storage", "PT019", p => p.Tensor(strides: [4, 1]));
        Value(67, "offset 2^62", "PT019", p => p.Tensor(offset: 1L << 62));
        Value(67, "view past the storage", "PT019", p => p.Tensor(view: q => q.Op('(').Text("v").Int(2).Int(5).Op('t')));
        Value(67, "v3: elements past the bytes", "PT019", p => p.Global("torch._utils", "_rebuild_tensor_v3").Op('(').Storage(type: "UntypedStorage", count: 24)
            .Int(0).Ints(13).Ints(1).Op(0x89).OrderedDict().Global("torch", "uint16").Op('t').Op('R'));
        Value(67, "negative size", "PT020", p => p.Tensor(sizes: [-1, 3]));
        Value(67, "negative stride", "PT020", p => p.Tensor(strides: [-3, 1]));
        Value(67, "negative offset", "PT020", p => p.Tensor(offset: -1));
        Value(67, "more sizes than strides", "PT020", p => p.Tensor(sizes: [1, 2, 3]));
        Value(67, "33 dimensions", "PT020", p => p.Tensor(sizes: [.. Enumerable.Repeat(1L, 33)], strides: [.. Enumerable.Repeat(1L, 33)]));
        Value(67, "sizes 2^62 x 2^62", "PT020", p => p.Tensor(sizes: [1L << 62, 1L << 62], strides: [0, 0]));
        Value(67, "sizes 2^62 x 4 x 0", "PT020", p => p.Tensor(sizes: [1L << 62, 4, 0], strides: [0, 0, 0]));
        Value(67, "stride 2^62", "PT020", p => p.Tensor(sizes: [4, 3], strides: [1L << 62, 1]));
        Value(67, "size of 80 bits", "PT020", p => p.Global("torch._utils", "_rebuild_tensor").Op('(').Storage().Int(0)
            .Op(0x8A, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).Op(0x85).Ints(1).Op('t').Op('R'));
        Value(68, "1 element as 2^40", "PT021", p => p.Tensor(sizes: [1L << 40], strides: [0]));
        Value(69, "one storage, two classes", "PT022", p => p.Tensor().Op('0').Tensor(type: "IntStorage"));
        Value(69, "one storage, two counts", "PT022", p => p.Tensor().Op('0').Tensor(count: 5, sizes: [5], strides: [1]));
        Value(70, "sparse", "PT024", p => p.Global("torch._utils", "_rebuild_sparse_tensor"));
        Value(70, "sparse csr", "PT024", p => p.Global("torch._utils", "_rebuild_sparse_csr_tensor"));
        Value(70, "quantised", "PT024", p => p.Global("torch._utils", "_rebuild_qtensor"));
        Value(70, "quantised storage", "PT024", p => p.Storage(type: "QInt8Storage"));
        Value(70, "complex of doubles", "PT024", p => p.Storage(type: "ComplexDoubleStorage"));
        Value(70, "meta tensor", "PT024", p => p.Global("torch._utils", "_rebuild_meta_tensor_no_storage"));
        Add(60, "no tensors", "PT030", () => RawPickle.Dict(p => p.Int(1)));
        Add(60, "a number", "PT030", () => RawPickle.Start().Int(3).Stop());
        Add(60, "dictionary in an unknown place", "PT030", () => RawPickle.Dict(p => p.Op('}').Text("a").Tensor().Op('s')));
        Add(60, "two models", "PT030", () => RawPickle.Start().Op('}').Op('(').Text("model").Op('}').Text("a").Tensor().Op('s')
            .Text("state_dict").Op('}').Text("a").Tensor().Op('s').Op('u').Stop());
        Add(63, "one name twice", "PT031", () => RawPickle.Start().Op('}').Op('(').Text("a").Tensor().Text("a").Tensor().Op('u').Stop());
        Add(63, "1 and \"1\"", "PT031", () => RawPickle.Start().Op('}').Op('(').Text("1").Tensor().Int(1).Tensor().Op('u').Stop());
        Add(63, "None as a name", "PT031", () => RawPickle.Start().Op('}').Op('N').Tensor().Op('s').Stop());
        Add(63, "name of 65,536", "PT031", () => RawPickle.Start().Op('}').Text(new string('n', 65_536)).Tensor().Op('s').Stop());
        Value(66, "persistent id is a number", "PT033", p => p.Int(3).Op('Q'));
        Value(66, "persistent id of a module", "PT033", p => p.Op('(').Text("module").Op('N').Op('t').Op('Q'));
        Value(66, "negative count", "PT033", p => p.Storage(count: -1));
        Value(66, "storage class is a function", "PT033", p => p.Op('(').Text("storage").Global("torch", "Size").Text("0").Text("cpu").Int(6).Op('t').Op('Q'));
        Value(66, "tensor without arguments", "PT033", p => p.Global("torch._utils", "_rebuild_tensor_v2").Op(')').Op('R'));
        Value(66, "storage class called", "PT033", p => p.Global("torch", "FloatStorage").Op(')').Op('R'));
        Value(66, "parameter of a text", "PT033", p => p.Global("torch._utils", "_rebuild_parameter").Text("x").Op(0x85).Op('R'));
        Value(66, "OrderedDict of numbers", "PT033", p => p.Global("collections", "OrderedDict").Op(']').Int(1).Op('a').Op(0x85).Op('R'));
        Value(66, "_rebuild_from_type_v2 of itself", "PT033", p => p.Global("torch._tensor", "_rebuild_from_type_v2").Op('(')
            .Global("torch._tensor", "_rebuild_from_type_v2").Global("torch", "Tensor").Op(')').Op('N').Op('t').Op('R'));
        Add(64, "shared and endless values beside a tensor", null, () => RawPickle.Start().Op('}').Op('(').Text("w").Tensor().Text("self").Op(']').Op((byte)'q', 7).Op((byte)'h', 7).Op('a').Text("laughs").Op(PthMalformedTests.Laughs(60)).Op('u').Stop());
        return rows;
    }
}
