using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Tests.Safetensors;

public sealed class SafetensorsRoundTripTests : IDisposable
{
    // No file of this kind holds blocks.
    private static readonly DType[] Plain = [.. Enum.GetValues<DType>().Where(t => !t.IsBlock())];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomTensorsComeBackByteForByte(int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < 40; round++)
        {
            Dictionary<string, (DType Type, long[] Shape, byte[] Bytes)> made = [];
            for (int i = random.Next(8); i > 0; i--)
            {
                DType type = Plain[random.Next(Plain.Length)];
                long[] shape = [.. Enumerable.Range(0, random.Next(4)).Select(_ => (long)random.Next(6))];
                if (type.Bits() % 8 != 0)
                    shape = [.. shape, 4];
                byte[] bytes = new byte[type.Bytes(shape.Aggregate(1L, (n, d) => n * d))];
                random.NextBytes(bytes);
                made[$"t{random.Next(100)}.\"é\n😀"] = (type, shape, bytes);
            }
            string path = _folder["round.safetensors"];
            SafetensorsWriter.Write(path, made.Select(t => new TensorToWrite(t.Key, t.Value.Type, t.Value.Shape, s => s.Write(t.Value.Bytes))),
                new Dictionary<string, string> { ["note"] = "a\"b" });
            Assert.Equal(0, (8 + BitConverter.ToInt64(File.ReadAllBytes(path))) % 8);

            using SafetensorsFile file = SafetensorsFile.Open(path);
            Assert.Equal(made.Keys.Order(), file.Tensors.Keys.Order());
            Assert.Equal("pt", file.Metadata["format"]);
            Assert.Equal("a\"b", file.Metadata["note"]);
            foreach (var (name, (type, shape, bytes)) in made)
            {
                TensorInfo info = file.Require(name, shape);
                Assert.Equal(type, info.DType);
                byte[] read = new byte[info.ByteLength];
                file.Read(name, 0, read);
                Assert.Equal(bytes, read);
            }

            string copy = _folder["copy.safetensors"];
            SafetensorsWriter.Write(copy, file.Tensors.Keys.Reverse().Select(n => TensorToWrite.Copy(file, n)), file.Metadata);
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(copy));
        }
    }

    [Fact]
    public void LargeElementsComeFirstThenNames()
    {
        string path = _folder["order.safetensors"];
        SafetensorsWriter.Write(path, [
            TensorToWrite.FromFloats("b", [1], new float[1], DType.BF16), TensorToWrite.FromFloats("d", [1], new float[1]),
            TensorToWrite.FromInt64s("z", [1], new long[1]), TensorToWrite.FromFloats("a", [], new float[1])]);
        string text = File.ReadAllText(path);
        int[] places = [.. new[] { "\"z\"", "\"a\"", "\"d\"", "\"b\"" }.Select(n => text.IndexOf(n, StringComparison.Ordinal))];
        Assert.Equal(places.Order(), places);
    }

    [Fact]
    public void FloatsConvertFromEveryFloatType()
    {
        float[] values = [0f, -0f, 1f, 1.00390625f, -3.1415927f, 65520f, 1e-8f, float.PositiveInfinity, float.NaN, 3e38f, 6e-8f];
        float[] many = [.. Enumerable.Range(0, 50_000).Select(i => values[i % values.Length])];
        string path = _folder["floats.safetensors"];
        DType[] types = [DType.F32, DType.F16, DType.BF16, DType.F64];
        SafetensorsWriter.Write(path, types.Select(t => TensorToWrite.FromFloats($"{t}", [many.Length], many, t)));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(many, file.ReadFloats("F32"));
        Assert.Equal(many, file.ReadFloats("F64"));
        Assert.Equal(many.Select(v => (float)(Half)v), file.ReadFloats("F16"));
        Assert.Equal(many.Select(v => (float)(BFloat16)v), file.ReadFloats("BF16"));
        foreach (DType type in types)
        {
            float[] part = new float[20_011];
            file.ReadFloats($"{type}", 12_345, part);
            Assert.Equal(file.ReadFloats($"{type}")[12_345..(12_345 + part.Length)], part);
            BFloat16[] rounded = new BFloat16[20_011];
            file.ReadBFloat16s($"{type}", 12_345, rounded);
            Assert.Equal(part.Select(v => ((BFloat16)v).Bits), rounded.Select(v => v.Bits));
        }
    }

    [Fact]
    public void IntegersConvertFromEveryIntegerType()
    {
        string path = _folder["integers.safetensors"];
        SafetensorsWriter.Write(path, [
            TensorToWrite.FromInt64s("i64", [2], new[] { long.MinValue, long.MaxValue }),
            new("i32", DType.I32, [2], s => s.Write([1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF])),
            new("u32", DType.U32, [1], s => s.Write([0xFE, 0xFF, 0xFF, 0xFF])),
            new("i16", DType.I16, [1], s => s.Write([0xFE, 0xFF])),
            new("u16", DType.U16, [1], s => s.Write([0xFE, 0xFF])),
            new("i8", DType.I8, [1], s => s.Write([0xFE])),
            new("u8", DType.U8, [1], s => s.Write([0xFE])),
            new("bool", DType.Bool, [2], s => s.Write([0, 1])),
            new("u64", DType.U64, [1], s => s.Write([1, 0, 0, 0, 0, 0, 0, 0])),
            new("huge", DType.U64, [1], s => s.Write([0, 0, 0, 0, 0, 0, 0, 0x80])),
            TensorToWrite.FromFloats("f", [1], new float[1])]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal([long.MinValue, long.MaxValue], file.ReadInt64s("i64"));
        Assert.Equal([1, -2], file.ReadInt64s("i32"));
        Assert.Equal([4294967294], file.ReadInt64s("u32"));
        Assert.Equal([-2], file.ReadInt64s("i16"));
        Assert.Equal([65534], file.ReadInt64s("u16"));
        Assert.Equal([-2], file.ReadInt64s("i8"));
        Assert.Equal([254], file.ReadInt64s("u8"));
        Assert.Equal([0, 1], file.ReadInt64s("bool"));
        Assert.Equal([1], file.ReadInt64s("u64"));
        Assert.Equal("TS003", Assert.Throws<ModelFileException>(() => file.ReadInt64s("huge")).Code);
        Assert.Equal("TS003", Assert.Throws<ModelFileException>(() => file.ReadInt64s("f")).Code);
        Assert.Equal("TS003", Assert.Throws<ModelFileException>(() => file.ReadFloats("u8")).Code);
    }

    [Fact]
    public void WrongAsksAreNamed()
    {
        string path = _folder["asks.safetensors"];
        SafetensorsWriter.Write(path, [TensorToWrite.FromFloats("model.norm.weight", [2, 3], new float[6])]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        ModelFileException missing = Assert.Throws<ModelFileException>(() => file.Require("model.norm.wieght"));
        Assert.Equal("TS001", missing.Code);
        Assert.Contains("did you mean 'model.norm.weight'", missing.Message, StringComparison.Ordinal);
        ModelFileException shape = Assert.Throws<ModelFileException>(() => file.Require("model.norm.weight", 3, 2));
        Assert.Equal("TS002", shape.Code);
        Assert.Contains("[2,3]", shape.Message, StringComparison.Ordinal);
        Assert.Contains("[3,2]", shape.Message, StringComparison.Ordinal);
        Assert.Equal("TS001", Assert.Throws<ModelFileException>(() => file.Read("x", 0, new byte[1])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.Read("model.norm.weight", 21, new byte[4])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.Read("model.norm.weight", long.MaxValue, new byte[4])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.Read("model.norm.weight", -1, new byte[4])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.ReadFloats("model.norm.weight", 5, new float[2])).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => file.ReadBFloat16s("model.norm.weight", long.MaxValue, new BFloat16[2])).Code);
    }

    [Fact]
    public void TheWriterRefusesWhatNoReaderTakes()
    {
        string path = _folder["refused.safetensors"];
        Assert.Equal("ST007", Refused(Empty("a"), Empty("a")));
        Assert.Equal("ST009", Refused(Empty("")));
        Assert.Equal("ST009", Refused(Empty("__metadata__")));
        Assert.Equal("ST009", Refused(Empty("\ud800")));
        Assert.Equal("ST012", Refused(new TensorToWrite("a", DType.F32, [-1], _ => { })));
        Assert.Equal("ST012", Refused(new TensorToWrite("a", DType.F32, [1L << 62], _ => { })));
        Assert.Equal("ST018", Refused(new TensorToWrite("a", DType.F4, [3], _ => { })));
        Assert.Equal("ST008", Assert.Throws<ModelFileException>(() =>
            SafetensorsWriter.Write(path, [], new Dictionary<string, string> { ["k"] = "\udc00" })).Code);
        Assert.Throws<InvalidOperationException>(() => SafetensorsWriter.Write(path, [new TensorToWrite("a", DType.F32, [1], s => s.WriteByte(0))]));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));

        string Refused(params TensorToWrite[] tensors) => Assert.Throws<ModelFileException>(() => SafetensorsWriter.Write(path, tensors)).Code;
        static TensorToWrite Empty(string name) => new(name, DType.F32, [0], _ => { });
    }

    [Fact]
    public void ManyThreadsMayReadAtOnce()
    {
        float[] values = [.. Enumerable.Range(0, 10_000).Select(i => (float)i)];
        string path = _folder["threads.safetensors"];
        SafetensorsWriter.Write(path, [TensorToWrite.FromFloats("a", [100, 100], values, DType.F64)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Parallel.For(0, 100, row =>
        {
            float[] read = new float[100];
            file.ReadFloats("a", row * 100, read);
            Assert.Equal(values[(row * 100)..(row * 100 + 100)], read);
        });
    }
}
