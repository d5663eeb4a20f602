using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>What files may hold beside a plain dictionary of row-major tensors.</summary>
public sealed class PthReadingTests : IDisposable
{
    private static readonly (string Class, int Bytes)[] Classes =
        [("FloatStorage", 4), ("HalfStorage", 2), ("BFloat16Storage", 2), ("DoubleStorage", 8), ("LongStorage", 8), ("CharStorage", 1), ("ComplexFloatStorage", 8)];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static float[] Counted => [0, 1, 2, 3, 4, 5];

    private PthFile Open(byte[] pickle, byte[]? data = null, string? part = null) =>
        PthFile.Open(_folder.Put("file.pth", RawZip.Of(RawZip.Checkpoint(pickle, ("0", data ?? MemoryMarshal.AsBytes<float>(Counted).ToArray())))), part);

    [Theory]
    [InlineData(0L, new long[] { 2, 3 }, new long[] { 3, 1 }, new float[] { 0, 1, 2, 3, 4, 5 })]
    [InlineData(0L, new long[] { 3, 2 }, new long[] { 1, 3 }, new float[] { 0, 3, 1, 4, 2, 5 })]
    [InlineData(2L, new long[] { 2 }, new long[] { 1 }, new float[] { 2, 3 })]
    [InlineData(1L, new long[] { 2, 1, 2 }, new long[] { 2, 77, 2 }, new float[] { 1, 3, 3, 5 })]
    [InlineData(4L, new long[] { 2, 2 }, new long[] { 0, 1 }, new float[] { 4, 5, 4, 5 })]
    [InlineData(5L, new long[] { }, new long[] { }, new float[] { 5 })]
    [InlineData(6L, new long[] { 0 }, new long[] { 1 }, new float[] { })]
    public void StridesAndOffsetsAreResolved(long offset, long[] sizes, long[] strides, float[] values)
    {
        using PthFile file = Open(RawPickle.Dict(p => p.Tensor(offset: offset, sizes: sizes, strides: strides)));
        Assert.Equal(sizes, file.Tensors["w"].Shape);
        Assert.Equal(values, file.ReadFloats("w"));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void RandomStridesGiveTheElementsThatTheyPointTo(int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < 60; round++)
        {
            (string type, int element) = Classes[random.Next(Classes.Length)];
            long[] sizes = [.. Enumerable.Range(0, random.Next(5)).Select(_ => (long)random.Next(1, 6))];
            long[] strides = [.. sizes.Select(_ => (long)random.Next(0, 9))];
            long offset = random.Next(4), last = offset;
            for (int i = 0; i < sizes.Length; i++)
                last += (sizes[i] - 1) * strides[i];
            byte[] data = new byte[(last + 1 + random.Next(3)) * element];
            random.NextBytes(data);
            MemoryStream expected = new();
            Walk(0, offset);

            using PthFile file = Open(RawPickle.Dict(p => p.Tensor("0", type, data.Length / element, offset, sizes, strides)), data);
            byte[] whole = new byte[file.Tensors["w"].ByteLength];
            file.Read("w", 0, whole);
            Assert.Equal(expected.ToArray(), whole);
            for (int piece = 0; piece < 10; piece++)
            {
                int at = random.Next(whole.Length), count = random.Next(whole.Length - at + 1);
                byte[] read = new byte[count];
                file.Read("w", at, read);
                Assert.Equal(whole[at..(at + count)], read);
            }

            void Walk(int dimension, long at)
            {
                if (dimension == sizes.Length)
                    expected.Write(data, (int)(at * element), element);
                else
                    for (long i = 0; i < sizes[dimension]; i++)
                        Walk(dimension + 1, at + i * strides[dimension]);
            }
        }
    }

    [Fact]
    public void ElementsFarApartAreReadOneRunAtATime()
    {
        const int Stride = 17 << 20;
        byte[] data = new byte[2 * Stride + 4];
        for (int i = 0; i < 12; i++)
            data[i / 4 * Stride + i % 4] = (byte)(i + 1);
        using PthFile file = Open(RawPickle.Dict(p => p.Tensor("0", "ByteStorage", data.Length, sizes: [3, 4], strides: [Stride, 1])), data);
        byte[] read = new byte[9];
        file.Read("w", 2, read);
        Assert.Equal([3, 4, 5, 6, 7, 8, 9, 10, 11], read);
    }

    [Fact]
    public void CompressedDataAreReadInAnyOrder()
    {
        float[] values = [.. Enumerable.Range(0, 90_000).Select(i => (float)(i * 37 % 1009))];
        byte[] pickle = RawPickle.Start().Op('}').Op('(').Text("a").Tensor("0", count: 90_000, sizes: [300, 300], strides: [300, 1])
            .Text("b").Tensor("0", count: 90_000, sizes: [300, 300], strides: [1, 300]).Op('u').Stop();
        string path = _folder.Put("deflated.pth", RawZip.Of(
            RawEntry.Deflated("t/data/0", MemoryMarshal.AsBytes<float>(values).ToArray()), RawEntry.Deflated("t/data.pkl", pickle)));
        using PthFile file = PthFile.Open(path);
        float[] row = new float[300];
        foreach (int at in (int[])[200, 250, 0, 299, 10])
        {
            file.ReadFloats("a", at * 300, row);
            Assert.Equal(values[(at * 300)..(at * 300 + 300)], row);
        }
        float[] columns = file.ReadFloats("b");
        Assert.Equal(Enumerable.Range(0, 90_000).Select(i => values[i % 300 * 300 + i / 300]), columns);
        Parallel.For(0, 40, i =>
        {
            float[] own = new float[300];
            file.ReadFloats(i % 2 == 0 ? "a" : "b", i * 300, own);
            Assert.Equal(i % 2 == 0 ? values[(i * 300)..(i * 300 + 300)] : columns[(i * 300)..(i * 300 + 300)], own);
        });
    }

    [Fact]
    public void DamagedCompressedDataAreNamed()
    {
        byte[] pickle = RawPickle.Dict(p => p.Tensor(count: 1000, sizes: [1000], strides: [1]));
        RawEntry data = RawEntry.Deflated("t/data/0", new byte[4000]);
        string path = _folder.Put("deflated.pth", RawZip.Of(data with { Stored = data.Stored[..^4] }, new RawEntry("t/data.pkl", pickle)));
        using PthFile file = PthFile.Open(path);
        Assert.Equal("PT006", Assert.Throws<ModelFileException>(() => file.ReadFloats("w")).Code);
    }

    [Fact]
    public void AnotherTypeOfElementsOverUntypedStorage()
    {
        byte[] pickle = RawPickle.Dict(p => p.Global("torch._utils", "_rebuild_tensor_v3").Op('(').Storage(type: "UntypedStorage", count: 24)
            .Int(1).Ints(5).Ints(2).Op(0x89).OrderedDict().Global("torch", "uint16").Op('}').Op('t').Op('R'));
        using PthFile file = Open(pickle, [.. Enumerable.Range(0, 24).Select(i => (byte)i)]);
        Assert.Equal(DType.U16, file.Tensors["w"].DType);
        Assert.Equal([0x0302, 0x0706, 0x0B0A, 0x0F0E, 0x1312], file.ReadInt64s("w"));
    }

    [Fact]
    public void ParametersSubclassesAndAttributesAreTensors()
    {
        byte[] pickle = RawPickle.Start().Op('}').Op('(')
            .Text("parameter").Global("torch._utils", "_rebuild_parameter").Op('(').Tensor().Op(0x88).OrderedDict().Op('t').Op('R')
            .Text("typed").Global("torch._tensor", "_rebuild_from_type_v2").Op('(').Global("torch._utils", "_rebuild_tensor_v2").Global("torch.nn.parameter", "Parameter")
            .Op('(').Storage().Int(3).Ints(3).Ints(1).Op(0x89).OrderedDict().Op('t').Op('}').Op('t').Op('R')
            .Text("built").Tensor().Op('}').Text("note").Text("x").Op('s').Op('b')
            .Text("v1").Global("torch._utils", "_rebuild_tensor").Op('(').Storage().Int(0).Ints(6).Ints(1).Op('t').Op('R').Op('u').Stop();
        using PthFile file = Open(pickle);
        Assert.Equal(["parameter", "typed", "built", "v1"], file.Tensors.Keys);
        Assert.Equal([3, 4, 5], file.ReadFloats("typed"));
        Assert.Equal("a tensor's Python attributes are not read", Assert.Single(file.Warnings));
    }

    [Fact]
    public void NewerProtocolsAreRead()
    {
        // PROTO 4, FRAME, MEMOIZE, SHORT_BINUNICODE, STACK_GLOBAL; the function itself is the key of a second entry.
        byte[] pickle = new RawPickle().Op(0x80, 4).Op(0x95).UInt32(1).UInt32(0).Op('}').Op(0x94).Op(0x8C, 1, (byte)'w').Op(0x94)
            .Op(0x8C, 12).Op("torch._utils"u8.ToArray()).Op(0x8C, 18).Op("_rebuild_tensor_v2"u8.ToArray()).Op(0x93).Op(0x94)
            .Op('(').Storage().Int(0).Ints(6).Ints(1).Op(0x89).OrderedDict().Op('t').Op('R').Op('s')
            .Op('0').Op('j').UInt32(0).Op((byte)'h', 2).Op((byte)'h', 1).Op('s').Stop();
        using PthFile file = Open(pickle);
        Assert.Equal("not read: an entry without a name", Assert.Single(file.Warnings));
        Assert.Equal(Counted, file.ReadFloats("w"));
    }

    [Fact]
    public void TensorsAreFoundWhereTrainingProgramsPutThem()
    {
        Action<RawPickle> model = p => p.Op('}').Text("w").Tensor().Op('s');
        foreach (string key in (string[])["state_dict", "model", "module", "model_state_dict"])
        {
            RawPickle pickle = RawPickle.Start().Op('}').Op('(').Text("epoch").Int(3).Text("step").Tensor().Text("other");
            model(pickle);
            model(pickle.Text(key));
            using PthFile file = Open(pickle.Op('u').Stop());
            Assert.Equal("w", Assert.Single(file.Tensors).Key);
            Assert.Equal("not read: 'epoch', 'step' (a tensor), 'other' (a dictionary of 1 tensors)", Assert.Single(file.Warnings));
        }
        RawPickle two = RawPickle.Start().Op('}').Op('(').Text("ema").Op('}').Text("e").Tensor().Op('s');
        model(two.Text("model"));
        byte[] both = two.Op('u').Stop();
        using (PthFile ema = Open(both, part: "ema"))
            Assert.Equal("e", Assert.Single(ema.Tensors).Key);
        ModelFileException error = Assert.Throws<ModelFileException>(() => Open(both, part: "emma"));
        Assert.Equal("PT030", error.Code);
        Assert.Contains("'ema', 'model'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BareTensorsAndListsHaveNamesToo()
    {
        using (PthFile bare = Open(RawPickle.Start().Tensor().Stop()))
            Assert.Equal(Counted, bare.ReadFloats("tensor"));
        using (PthFile list = Open(RawPickle.Start().Op(']').Op('(').Tensor().Op('N').Tensor(offset: 5, sizes: [1], strides: [1]).Op('e').Stop()))
        {
            Assert.Equal(["0", "2"], list.Tensors.Keys);
            Assert.Equal("not read: '1'", Assert.Single(list.Warnings));
        }
        using PthFile empty = Open(RawPickle.Start().Op('}').Stop());
        Assert.Empty(empty.Tensors);
    }

    [Fact]
    public void PairsNotesAndPlainValuesDoNoHarm()
    {
        byte[] pickle = RawPickle.Start().Global("collections", "OrderedDict").Op(']').Op(']').Op('(').Text("w").Tensor().Op('e').Op('a').Op(0x85).Op('R')
            .Op('}').Text("_metadata").OrderedDict().Op('s').Op('b')
            .Op('(').Text("float").Op((byte)'G', 0x3F, 0xF0, 0, 0, 0, 0, 0, 0).Text("bytes").Op((byte)'C', 2, 0xFF, 0xFE).Text("big").Op(0x8A, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9)
            .Text("device").Global("torch", "device").Text("cpu").Op(0x85).Op('R').Text("size").Global("torch", "Size").Ints(1, 2).Op(0x85).Op('R')
            .Text("set").Op(0x8F).Op('(').Int(1).Op(0x90).Text("type").Global("torch", "float16").Op('u').Stop();
        using PthFile file = Open(pickle);
        Assert.Equal(Counted, file.ReadFloats("w"));
        Assert.Equal("not read: 'float', 'bytes', 'big', 'device', 'size', 'set', 'type'", Assert.Single(file.Warnings));
    }

    [Fact]
    public void OddButAllowed()
    {
        byte[] pickle = [.. RawPickle.Dict(p => p.Tensor()), 1, 2, 3];
        RawEntry[] entries = RawZip.Checkpoint(pickle, ("0", new byte[24]));
        entries[0] = entries[0] with { Crc = 0 };
        using (PthFile file = PthFile.Open(_folder.Put("odd.pth", RawZip.Of([.. entries, new("t/byteorder", "little"u8.ToArray()), new("t/empty/", [])]))))
        {
            Assert.Equal(2, file.Warnings.Count);
            Assert.Contains("no checksum", file.Warnings[0], StringComparison.Ordinal);
            Assert.Contains("3 bytes behind", file.Warnings[1], StringComparison.Ordinal);
        }
        byte[] commented = [.. RawZip.Of(RawPickle.Dict(p => p.Tensor()))[..^2], 5, 0, .. "hello"u8];
        using (PthFile file = PthFile.Open(_folder.Put("comment.pth", commented)))
            Assert.Single(file.Tensors);
        using PthFile legacy = PthFile.Open(_folder.Put("legacy.pth", [.. PthMalformedTests.Legacy(), 0]));
        Assert.Contains("1 bytes behind", Assert.Single(legacy.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void OlderFilesMayNamePartsOfStorages()
    {
        byte[] value = RawPickle.Dict(p => p.Tensor(offset: 1, sizes: [2], strides: [1], view: q => q.Op('(').Text("view").Int(2).Int(4).Op('t')));
        byte[] content = PthMalformedTests.Legacy(value: value, data: [.. BitConverter.GetBytes(6L), .. MemoryMarshal.AsBytes<float>(Counted)]);
        string path = _folder.Put("legacy.pth", content);
        Assert.True(PthFile.IsPth(path));
        using PthFile file = PthFile.Open(path);
        Assert.Equal([3, 4], file.ReadFloats("w"));
    }

    [Fact]
    public void AModelOfVeryManyTensorsOpensInLittleMemory()
    {
        const int Count = 25_000;
        string path = _folder["many.pth"];
        PthWriter.Write(path, [.. Enumerable.Range(0, Count).Select(i => TensorToWrite.FromFloats($"model.layers.{i}.mlp.experts.weight", [1, 1], new[] { (float)i }))]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        using PthFile file = PthFile.Open(path);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(Count, file.Tensors.Count);
        Assert.Equal([24_999f], file.ReadFloats("model.layers.24999.mlp.experts.weight"));
        Assert.True(allocated < 64 << 20, $"{allocated} bytes were allocated");
    }

    [Fact]
    public void WrongAsksAreNamed()
    {
        using PthFile file = Open(RawPickle.Dict(p => p.Tensor()));
        Assert.Equal("TS001", Assert.Throws<ModelFileException>(() => file.Read("x", 0, new byte[1])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.Read("w", 21, new byte[4])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.Read("w", -1, new byte[4])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.Read("w", long.MaxValue, new byte[4])).Code);
    }
}
