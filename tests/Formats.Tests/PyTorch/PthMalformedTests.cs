using System.Buffers.Binary;
using Marrow.Formats.PyTorch;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>Every row of spec/formats.md §9 for this format: case, code, file.</summary>
public sealed class PthMalformedTests : IDisposable
{
    private const long MostAllocated = 64L << 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static byte[] Good => RawPickle.Dict(p => p.Tensor());

    private static byte[] Whole => RawZip.Of(Good);

    public static TheoryData<string, string, byte[]> Containers()
    {
        byte[] tar = new byte[600];
        "ustar"u8.CopyTo(tar.AsSpan(257));
        byte[] whole = Whole;
        RawEntry[] entries = RawZip.Checkpoint(Good, ("0", new byte[24]));
        int directory = BinaryPrimitives.ReadInt32LittleEndian(whole.AsSpan(whole.Length - 6));
        ulong size = (ulong)(whole.Length - 22 - directory);
        byte[] bomb = [.. Enumerable.Repeat((byte)'N', 1 << 20)];
        return new()
        {
            { "3 bytes", "PT001", "abc"u8.ToArray() },
            { "tar", "PT001", tar },
            { "pickle of protocol 0", "PT001", "cos\nsystem\n(S'x'\ntR."u8.ToArray() },
            { "safetensors", "PT001", "\u0002\0\0\0\0\0\0\0{}"u8.ToArray() },
            { "LFS pointer", "IO004", "version https://git-lfs.github.com/spec/v1\n"u8.ToArray() },
            { "web page", "IO006", "<!DOCTYPE html><html>"u8.ToArray() },
            { "zip: first bytes only", "PT002", "PK\u0003\u0004"u8.ToArray() },
            { "zip: no end record", "PT002", whole[..^22] },
            { "zip: end record cut", "PT002", whole[..^1] },
            { "zip: byte behind the end", "PT002", [.. whole, 0] },
            { "zip: comment longer than the file", "PT002", RawZip.Patch(whole, 2, 1, 0) },
            { "zip: directory past the end", "PT002", RawZip.Patch(whole, 6, 0xF0, 0xFF, 0xFF, 0x7F) },
            { "zip: directory too long", "PT002", RawZip.Patch(whole, 10, 0xF0, 0xFF, 0xFF, 0x7F) },
            { "zip: directory one byte short", "PT002", RawZip.Patch(whole, 10, [.. BitConverter.GetBytes((uint)size - 1)]) },
            { "zip: 65535 entries", "PT002", RawZip.Patch(whole, 14, 0xFF, 0xFF, 0xFF, 0xFF) },
            { "zip: 60000 entries", "PT002", RawZip.Patch(whole, 14, 0x60, 0xEA, 0x60, 0xEA) },
            { "zip: one entry less", "PT002", RawZip.Patch(whole, 14, 2, 0, 2, 0) },
            { "zip: entry counts differ", "PT002", RawZip.Patch(whole, 14, 2, 0, 3, 0) },
            { "zip: several disks", "PT002", RawZip.Patch(whole, 18, 1, 0) },
            { "zip: ZIP64 record absent", "PT002", RawZip.Patch(whole, 6, 0xFF, 0xFF, 0xFF, 0xFF) },
            { "zip: two entries of a name", "PT003", RawZip.Of([.. entries, entries[1]]) },
            { "zip: ../data.pkl", "PT004", RawZip.Of(new RawEntry("../data.pkl", Good)) },
            { "zip: absolute name", "PT004", RawZip.Of([.. entries, new("/etc/x", [])]) },
            { "zip: backslash", "PT004", RawZip.Of([.. entries, new("t\\x", [])]) },
            { "zip: NUL in a name", "PT004", RawZip.Of([.. entries, new("t/\0", [])]) },
            { "zip: empty name", "PT004", RawZip.Of([.. entries, new("", [])]) },
            { "zip: name of 2000 bytes", "PT004", RawZip.Of([.. entries, new(new string('x', 2000), [])]) },
            { "zip: same bytes twice", "PT005", RawZip.Of([.. entries, new("t/version", []) { Local = 0, Name = "t/data.pkk" }]) },
            { "zip: overlap within the data", "PT005", RawZip.Of(new RawEntry("t/data.pkl", Good), new RawEntry("t/x", "abc"u8.ToArray()) { Local = 10 }) },
            { "zip: deflate bomb", "PT006", RawZip.Of(RawEntry.Deflated("t/data.pkl", bomb) with { StatedBytes = 0x7FFFFFFF }) },
            { "zip: inflates to more", "PT006", RawZip.Of(RawEntry.Deflated("t/data.pkl", bomb) with { StatedBytes = 1000 }) },
            { "zip: inflates to less", "PT006", RawZip.Of(RawEntry.Deflated("t/data.pkl", bomb) with { StatedBytes = 2 << 20 }) },
            { "zip: no deflate stream", "PT006", RawZip.Of(new RawEntry("t/data.pkl", [0xFF, 0xFF, 0xFF]) { Method = 8, StatedBytes = 10 }) },
            { "zip: method 14", "PT006", RawZip.Of(new RawEntry("t/data.pkl", Good) { Method = 14 }) },
            { "zip: encrypted", "PT007", RawZip.Of(new RawEntry("t/data.pkl", Good) { Flags = 1 }) },
            { "zip: strongly encrypted", "PT007", RawZip.Of(new RawEntry("t/data.pkl", Good) { Flags = 0x41 }) },
            { "zip64: sizes 2^63", "PT008", RawZip.Of(Sized64(1UL << 63, 1UL << 63)) },
            { "zip64: size 2^62", "PT008", RawZip.Of(Sized64(1UL << 62, 1UL << 62)) },
            { "zip64: offset 2^63", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { Local = uint.MaxValue, Extra = RawZip.Field64(1UL << 63) }) },
            { "zip64: field missing", "PT008", RawZip.Of(Sized64()) },
            { "zip64: field short", "PT008", RawZip.Of(Sized64(5)) },
            { "zip64: extra field past its end", "PT008", RawZip.Of(Sized64() with { Extra = [1, 0, 200, 0, 1] }) },
            { "zip64: end record disagrees", "PT008", RawZip.With64(whole, 4, size, (ulong)directory) },
            { "zip64: directory at 2^63", "PT008", RawZip.With64(RawZip.Patch(whole, 6, 0xFF, 0xFF, 0xFF, 0xFF), 3, size, 1UL << 63) },
            { "zip64: directory at 2^62", "PT002", RawZip.With64(RawZip.Patch(whole, 6, 0xFF, 0xFF, 0xFF, 0xFF), 3, size, 1UL << 62) },
            { "zip64: 2^60 entries", "PT002", RawZip.With64(RawZip.Patch(whole, 14, 0xFF, 0xFF, 0xFF, 0xFF), 1UL << 60, size, (ulong)directory) },
            { "zip64: locator past the end", "PT008", RawZip.With64(whole, 3, size, (ulong)directory, ulong.MaxValue) },
            { "zip64: locator elsewhere", "PT008", RawZip.With64(whole, 3, size, (ulong)directory, 1) },
            { "zip: local name differs", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { LocalName = "t/data.pkk" }) },
            { "zip: local name longer", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { LocalName = "t/data.pklx" }) },
            { "zip: no local header", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { Local = 1 }) },
            { "zip: local header past the directory", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { Local = 100_000 }) },
            { "zip: size past the directory", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { Flags = 8, StatedBytes = 100_000, StatedStored = 100_000 }) },
            { "zip: local size differs", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { StatedStored = 5 }) },
            { "zip: stored size is not the real one", "PT008", RawZip.Of(new RawEntry("t/data.pkl", Good) { StatedBytes = 5 }) },
            { "zip: no data.pkl", "PT009", RawZip.Of(new RawEntry("t/version", "3\n"u8.ToArray())) },
            { "zip: data.pkl too deep", "PT009", RawZip.Of(new RawEntry("t/u/data.pkl", Good)) },
            { "zip: two data.pkl", "PT009", RawZip.Of([.. entries, new("u/data.pkl", Good)]) },
            { "zip: data.pkl of 65 MiB", "PT009", RawZip.Of(RawEntry.Deflated("t/data.pkl", new byte[65 << 20]), new("t/fill", new byte[8 << 20])) },
            { "zip: empty archive", "PT001", RawZip.Of(Array.Empty<RawEntry>()) },
            { "byte order big", "PT023", RawZip.Of([.. entries, new("t/byteorder", "big"u8.ToArray())]) },
            { "byte order unknown", "PT023", RawZip.Of([.. entries, new("t/byteorder", "middle endian, of all things"u8.ToArray())]) },
            { "wrong checksum", "PT029", RawZip.Of(new RawEntry("t/data.pkl", Good) { Crc = 7 }) },
            { "TorchScript constants", "PT032", RawZip.Of([.. entries, new("t/constants.pkl", [])]) },
            { "TorchScript code", "PT032", RawZip.Of([.. entries, new("t/code/__torch__.py", [])]) },
        };

        static RawEntry Sized64(params ulong[] sizes) => new("t/data.pkl", Good)
        {
            StatedStored = uint.MaxValue,
            StatedBytes = uint.MaxValue,
            Flags = 8,
            Extra = sizes.Length > 0 ? RawZip.Field64(sizes) : [],
        };
    }

    public static TheoryData<string, string, byte[]> Pickles()
    {
        TheoryData<string, string, byte[]> rows = [];
        void Add(string defect, string code, byte[] pickle) => rows.Add(defect, code, RawZip.Of(pickle));
        void Value(string defect, string code, Action<RawPickle> value) => Add(defect, code, RawPickle.Dict(value));

        Value("os.system", "PT010", p => p.Global("os", "system").Text("echo").Op(0x85).Op('R'));
        Value("posix.system", "PT010", p => p.Global("posix", "system"));
        Value("builtins.eval", "PT010", p => p.Global("builtins", "eval"));
        Value("getattr under an allowed module", "PT010", p => p.Global("torch._utils", "getattr"));
        Value("torch.load", "PT010", p => p.Global("torch", "load"));
        Value("dotted name", "PT010", p => p.Global("torch", "Tensor.__init__"));
        Value("STACK_GLOBAL of texts", "PT010", p => p.Text("posix").Text("system").Op(0x93));
        Value("NEWOBJ of a class", "PT010", p => p.Global("subprocess", "Popen").Op(')').Op(0x81));
        Value("numpy scalar", "PT010", p => p.Global("numpy.core.multiarray", "scalar"));
        Value("STACK_GLOBAL of 300 characters", "PT010", p => p.Text("torch").Text(new string('x', 300)).Op(0x93));
        Value("operation 0xFF", "PT011", p => p.Op(0xFF));
        Value("INST", "PT011", p => p.Op('(').Op("ios\nsystem\n"u8.ToArray()));
        Value("OBJ", "PT011", p => p.Op('(').Op('o'));
        Value("EXT1", "PT011", p => p.Op(0x82, 1));
        Value("PERSID", "PT011", p => p.Op("P0\n"u8.ToArray()));
        Value("DUP", "PT011", p => p.Op('2'));
        Value("BYTEARRAY8", "PT011", p => p.Op(0x96).UInt32(0).UInt32(0));
        Value("BUFFER", "PT011", p => p.Op(0x97));
        Value("NEWOBJ_EX", "PT011", p => p.Op(0x92));
        Add("protocol 6", "PT011", new RawPickle().Op(0x80, 6).Op('N').Stop());
        Add("empty", "PT012", []);
        Add("no STOP", "PT012", RawPickle.Start().Op('N'));
        Add("operand cut", "PT012", RawPickle.Start().Op('J').Op(1, 2, 3));
        Add("BINUNICODE of 2^32-1", "PT012", RawPickle.Start().Op('X').UInt32(uint.MaxValue).Op("abc"u8.ToArray()));
        Add("BINUNICODE8 of 2^64-1", "PT012", RawPickle.Start().Op(0x8D).UInt32(uint.MaxValue).UInt32(uint.MaxValue));
        Add("BINBYTES of 2^31", "PT012", RawPickle.Start().Op('B').UInt32(1u << 31));
        Add("LONG1 of 255 bytes", "PT012", RawPickle.Start().Op(0x8A, 255));
        Add("GLOBAL without an end", "PT012", RawPickle.Start().Op('c').Times(300, (byte)'x'));
        Value("text is not UTF-8", "PT012", p => p.Op('X').UInt32(2).Op(0xC3, 0x28));
        Value("lone surrogate", "PT012", p => p.Op('X').UInt32(3).Op(0xED, 0xA0, 0x80));
        Add("stack underflow", "PT013", RawPickle.Start().Op('0').Stop());
        Add("TUPLE3 of two", "PT013", RawPickle.Start().Op('N').Op('N').Op(0x87).Stop());
        Add("reaches below a mark", "PT013", RawPickle.Start().Op('}').Op('N').Op('(').Op('N').Op('s').Stop());
        Add("mark missing", "PT013", RawPickle.Start().Op('}').Op('u').Stop());
        Add("two values left", "PT013", RawPickle.Start().Op('N').Op('N').Stop());
        Add("mark left", "PT013", RawPickle.Start().Op('(').Op('N').Stop());
        Add("nothing left", "PT013", RawPickle.Start().Stop());
        Value("memo number missing", "PT013", p => p.Op((byte)'h', 9));
        Value("memo number 2^32-1", "PT013", p => p.Op('j').UInt32(uint.MaxValue));
        Value("memo far off", "PT015", p => p.Op('N').Op('r').UInt32(uint.MaxValue));
        Add("list as key", "PT013", RawPickle.Start().Op('}').Op(']').Op('N').Op('s').Stop());
        Add("tuple with a list as key", "PT013", RawPickle.Start().Op('}').Op(']').Op(0x85).Op('N').Op('s').Stop());
        Add("SETITEMS of three", "PT013", RawPickle.Start().Op('}').Op('(').Text("a").Op('N').Text("b").Op('u').Stop());
        Add("SETITEM in a list", "PT013", RawPickle.Start().Op(']').Text("a").Op('N').Op('s').Stop());
        Add("APPEND to a dictionary", "PT013", RawPickle.Start().Op('}').Op('N').Op('a').Stop());
        Value("call of a text", "PT013", p => p.Text("os.system").Op(')').Op('R'));
        Value("call without a tuple", "PT013", p => p.Global("collections", "OrderedDict").Op('N').Op('R'));
        Value("BUILD on a text", "PT013", p => p.Text("x").Op('}').Op('b'));
        Value("STACK_GLOBAL of numbers", "PT013", p => p.Int(1).Int(2).Op(0x93));
        Add("10^7 steps of NONE and POP", "PT015", RawPickle.Start().Times(5_000_001, (byte)'N', (byte)'0'));
        Add("10^7 values on the stack", "PT015", RawPickle.Start().Times(10_000_000, (byte)'N'));
        Add("10^7 marks", "PT015", RawPickle.Start().Times(10_000_000, (byte)'('));
        Add("5 * 10^6 lists", "PT015", RawPickle.Start().Times(5_000_000, (byte)']', (byte)'0'));
        Add("30 MB of text", "PT015", RawPickle.Start().Op('X').UInt32(30_000_000).Times(30_000_000, (byte)'x').Stop());
        Add("30 MB of bytes", "PT015", RawPickle.Start().Op('B').UInt32(30_000_000).Times(30_000_000, (byte)'x').Stop());
        Add("a long list made into dictionaries", "PT015", RawPickle.Start().Op(']').Op((byte)'q', 0).Op('(').Times(10_000, (byte)'N', (byte)'N', 0x86).Op('e')
            .Global("collections", "OrderedDict").Op((byte)'q', 1).Times(100_000, (byte)'h', 1, (byte)'h', 0, 0x85, (byte)'R', (byte)'0').Stop());
        Value("storage key ../../x", "PT016", p => p.Tensor("../../x"));
        Value("storage key of 300 characters", "PT016", p => p.Tensor(new string('1', 300)));
        Value("storage key empty", "PT016", p => p.Tensor(""));
        Value("storage key absent", "PT017", p => p.Tensor("1"));
        Value("too few elements", "PT018", p => p.Tensor(count: 5, sizes: [5], strides: [1]));
        Value("too many elements", "PT018", p => p.Tensor(count: 7));
        Value("2^62 elements", "PT018", p => p.Tensor(count: 1L << 62));
        Value("offset past the storage", "PT019", p => p.Tensor(offset: 1));
        Value("stride past the storage", "PT019", p => p.Tensor(strides: [4, 1]));
        Value("offset 2^62", "PT019", p => p.Tensor(offset: 1L << 62));
        Value("view past the storage", "PT019", p => p.Tensor(view: q => q.Op('(').Text("v").Int(2).Int(5).Op('t')));
        Value("v3: elements past the bytes", "PT019", p => p.Global("torch._utils", "_rebuild_tensor_v3").Op('(').Storage(type: "UntypedStorage", count: 24)
            .Int(0).Ints(13).Ints(1).Op(0x89).OrderedDict().Global("torch", "uint16").Op('t').Op('R'));
        Value("negative size", "PT020", p => p.Tensor(sizes: [-1, 3]));
        Value("negative stride", "PT020", p => p.Tensor(strides: [-3, 1]));
        Value("negative offset", "PT020", p => p.Tensor(offset: -1));
        Value("more sizes than strides", "PT020", p => p.Tensor(sizes: [1, 2, 3]));
        Value("33 dimensions", "PT020", p => p.Tensor(sizes: [.. Enumerable.Repeat(1L, 33)], strides: [.. Enumerable.Repeat(1L, 33)]));
        Value("sizes 2^62 x 2^62", "PT020", p => p.Tensor(sizes: [1L << 62, 1L << 62], strides: [0, 0]));
        Value("sizes 2^62 x 4 x 0", "PT020", p => p.Tensor(sizes: [1L << 62, 4, 0], strides: [0, 0, 0]));
        Value("stride 2^62", "PT020", p => p.Tensor(sizes: [4, 3], strides: [1L << 62, 1]));
        Value("size of 80 bits", "PT020", p => p.Global("torch._utils", "_rebuild_tensor").Op('(').Storage().Int(0)
            .Op(0x8A, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).Op(0x85).Ints(1).Op('t').Op('R'));
        Value("1 element as 2^40", "PT021", p => p.Tensor(sizes: [1L << 40], strides: [0]));
        Value("one storage, two classes", "PT022", p => p.Tensor().Op('0').Tensor(type: "IntStorage"));
        Value("one storage, two counts", "PT022", p => p.Tensor().Op('0').Tensor(count: 5, sizes: [5], strides: [1]));
        Value("sparse", "PT024", p => p.Global("torch._utils", "_rebuild_sparse_tensor"));
        Value("sparse csr", "PT024", p => p.Global("torch._utils", "_rebuild_sparse_csr_tensor"));
        Value("quantised", "PT024", p => p.Global("torch._utils", "_rebuild_qtensor"));
        Value("quantised storage", "PT024", p => p.Storage(type: "QInt8Storage"));
        Value("complex of doubles", "PT024", p => p.Storage(type: "ComplexDoubleStorage"));
        Value("meta tensor", "PT024", p => p.Global("torch._utils", "_rebuild_meta_tensor_no_storage"));
        Add("no tensors", "PT030", RawPickle.Dict(p => p.Int(1)));
        Add("a number", "PT030", RawPickle.Start().Int(3).Stop());
        Add("dictionary in an unknown place", "PT030", RawPickle.Dict(p => p.Op('}').Text("a").Tensor().Op('s')));
        Add("two models", "PT030", RawPickle.Start().Op('}').Op('(').Text("model").Op('}').Text("a").Tensor().Op('s')
            .Text("state_dict").Op('}').Text("a").Tensor().Op('s').Op('u').Stop());
        Add("one name twice", "PT031", RawPickle.Start().Op('}').Op('(').Text("a").Tensor().Text("a").Tensor().Op('u').Stop());
        Add("1 and \"1\"", "PT031", RawPickle.Start().Op('}').Op('(').Text("1").Tensor().Int(1).Tensor().Op('u').Stop());
        Add("None as a name", "PT031", RawPickle.Start().Op('}').Op('N').Tensor().Op('s').Stop());
        Add("name of 65,536", "PT031", RawPickle.Start().Op('}').Text(new string('n', 65_536)).Tensor().Op('s').Stop());
        Value("persistent id is a number", "PT033", p => p.Int(3).Op('Q'));
        Value("persistent id of a module", "PT033", p => p.Op('(').Text("module").Op('N').Op('t').Op('Q'));
        Value("negative count", "PT033", p => p.Storage(count: -1));
        Value("storage class is a function", "PT033", p => p.Op('(').Text("storage").Global("torch", "Size").Text("0").Text("cpu").Int(6).Op('t').Op('Q'));
        Value("tensor without arguments", "PT033", p => p.Global("torch._utils", "_rebuild_tensor_v2").Op(')').Op('R'));
        Value("storage class called", "PT033", p => p.Global("torch", "FloatStorage").Op(')').Op('R'));
        Value("parameter of a text", "PT033", p => p.Global("torch._utils", "_rebuild_parameter").Text("x").Op(0x85).Op('R'));
        Value("OrderedDict of numbers", "PT033", p => p.Global("collections", "OrderedDict").Op(']').Int(1).Op('a').Op(0x85).Op('R'));
        Value("_rebuild_from_type_v2 of itself", "PT033", p => p.Global("torch._tensor", "_rebuild_from_type_v2").Op('(')
            .Global("torch._tensor", "_rebuild_from_type_v2").Global("torch", "Tensor").Op(')').Op('N').Op('t').Op('R'));
        return rows;
    }

    [Theory]
    [MemberData(nameof(Containers), DisableDiscoveryEnumeration = true)]
    [MemberData(nameof(Pickles), DisableDiscoveryEnumeration = true)]
    public void RefusesWithItsCodeAndLittleMemory(string defect, string code, byte[] content)
    {
        string path = _folder.Put("bad.pth", content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ModelFileException error = Assert.Throws<ModelFileException>(() => PthFile.Open(path));
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(error.Code == code, $"{defect}: {error.Message}");
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Length < path.Length + 1000, $"{defect}: the message has {error.Message.Length} characters");
        Assert.True(allocated < MostAllocated, $"{defect}: {allocated} bytes were allocated");
    }

    [Theory]
    [InlineData("os", "system")]
    [InlineData("builtins", "exec")]
    [InlineData("torch.serialization", "load")]
    public void ACallIsRefusedByTheNameThatItReachesFor(string module, string name)
    {
        string path = _folder.Put("call.pth", RawZip.Of(RawPickle.Dict(p => p.Global(module, name).Text("x").Op(0x85).Op('R'))));
        Assert.Contains($"wants to call {module}.{name}:", Assert.Throws<ModelFileException>(() => PthFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnEmptyFileAndAFolderAreNamed()
    {
        Assert.Equal("IO002", Assert.Throws<ModelFileException>(() => PthFile.Open(_folder.Put("empty.pth", ""))).Code);
        Assert.Equal("IO001", Assert.Throws<ModelFileException>(() => PthFile.Open(_folder.Path)).Code);
        Assert.Equal("IO003", Assert.Throws<ModelFileException>(() => PthFile.Open(_folder["absent.pth"])).Code);
    }

    [Fact]
    public void SharedAndEndlessValuesAreNotExpanded()
    {
        byte[] pickle = RawPickle.Start().Op('}').Op('(').Text("w").Tensor().Text("self").Op(']').Op((byte)'q', 7).Op((byte)'h', 7).Op('a')
            .Text("laughs").Op(Laughs(60)).Op('u').Stop();
        using PthFile file = PthFile.Open(_folder.Put("laughs.pth", RawZip.Of(pickle)));
        Assert.Equal("w", Assert.Single(file.Tensors).Key);
        Assert.Equal("not read: 'self', 'laughs'", Assert.Single(file.Warnings));
    }

    /// <summary>Pushes a tuple of a tuple twice of a tuple twice …: 2^levels leaves where it is expanded.</summary>
    private static byte[] Laughs(int levels)
    {
        RawPickle value = new RawPickle().Op(')');
        for (int level = 0; level < levels; level++)
            value.Op('r').UInt32(1000).Op('j').UInt32(1000).Op(0x86);
        return value;
    }

    public static TheoryData<string, string, byte[]> Legacies()
    {
        byte[] good = Legacy();
        return new()
        {
            { "another magic number", "PT025", Legacy(magic: RawPickle.Start().Int(42).Stop()) },
            { "magic number is a text", "PT025", Legacy(magic: RawPickle.Start().Text("x").Stop()) },
            { "version 1000", "PT025", Legacy(version: 1000) },
            { "machine is a list", "PT025", Legacy(machine: RawPickle.Start().Op(']').Stop()) },
            { "other protocol", "PT025", Legacy(machine: Machine(1002, 0x88)) },
            { "big-endian", "PT023", Legacy(machine: Machine(1001, 0x89)) },
            { "evil first pickle", "PT010", RawPickle.Start().Global("os", "system").Op(')').Op('R').Stop() },
            { "evil value", "PT010", Legacy(value: RawPickle.Dict(p => p.Global("os", "system").Op(')').Op('R'))) },
            { "keys are no list", "PT026", Legacy(keys: RawPickle.Start().Op(')').Stop()) },
            { "a key too many", "PT026", Legacy(keys: Keys("0", "1")) },
            { "a key twice", "PT026", Legacy(keys: Keys("0", "0"), data: Data(6, 6)) },
            { "no keys", "PT026", Legacy(keys: Keys()) },
            { "a key is a number", "PT026", Legacy(keys: RawPickle.Start().Op(']').Int(0).Op('a').Stop()) },
            { "count differs", "PT027", Legacy(data: Data(5)) },
            { "count 2^63", "PT027", Legacy(data: [0, 0, 0, 0, 0, 0, 0, 0x80, .. new byte[24]]) },
            { "data cut by one byte", "PT028", good[..^1] },
            { "count cut", "PT028", good[..^29] },
            { "2^40 elements", "PT028", Legacy(value: RawPickle.Dict(p => p.Tensor(count: 1L << 40)), data: [0, 0, 0, 0, 0, 1, 0, 0]) },
        };

        static byte[] Data(params long[] counts) => [.. counts.SelectMany(c => (byte[])[.. BitConverter.GetBytes(c), .. new byte[24]])];
    }

    [Theory]
    [MemberData(nameof(Legacies), DisableDiscoveryEnumeration = true)]
    public void RefusesOlderFiles(string defect, string code, byte[] content) => RefusesWithItsCodeAndLittleMemory(defect, code, content);

    [Fact]
    public void EveryTruncationIsAModelFileError()
    {
        foreach (byte[] whole in new[] { Whole, Legacy() })
        {
            using (PthFile file = PthFile.Open(_folder.Put("whole.pth", whole)))
                Assert.Equal([2, 3], Assert.Single(file.Tensors).Value.Shape);
            for (int length = 1; length < whole.Length; length++)
            {
                string cut = _folder.Put("cut.pth", whole[..length]);
                Assert.StartsWith("PT0", Assert.Throws<ModelFileException>(() => PthFile.Open(cut)).Code, StringComparison.Ordinal);
            }
        }
    }

    internal static byte[] Legacy(byte[]? magic = null, long version = 1001, byte[]? machine = null, byte[]? value = null, byte[]? keys = null, byte[]? data = null) =>
    [
        .. magic ?? RawPickle.Start().Op(0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19).Stop(),
        .. RawPickle.Start().Int(version).Stop(), .. machine ?? Machine(1001, 0x88), .. value ?? RawPickle.Dict(p => p.Tensor(view: q => q.Op('N'))),
        .. keys ?? Keys("0"), .. data ?? [.. BitConverter.GetBytes(6L), .. new byte[24]],
    ];

    internal static byte[] Keys(params string[] keys)
    {
        RawPickle list = RawPickle.Start().Op(']');
        foreach (string key in keys)
            list.Text(key).Op('a');
        return list.Stop();
    }

    private static byte[] Machine(long protocol, byte littleEndian) =>
        RawPickle.Start().Op('}').Op('(').Text("protocol_version").Int(protocol).Text("little_endian").Op(littleEndian).Op('u').Stop();
}
