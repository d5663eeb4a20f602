using System.Buffers.Binary;
using Marrow.Formats.Gguf;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Tests.Gguf;

public sealed class GgufWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static GgufMetadata Values(params (string Key, GgufValue Value)[] more)
    {
        GgufMetadata values = new("test");
        values.Set("general.name", "näme");
        values.Set("general.architecture", "llama");
        foreach (var (key, value) in more)
            values.Set(key, value);
        return values;
    }

    private static TensorToWrite Floats(string name, params long[] shape) =>
        TensorToWrite.FromFloats(name, shape, Enumerable.Range(0, (int)shape.Aggregate(1L, (n, s) => n * s)).Select(i => i + 0.5f).ToArray());

    private static TensorToWrite Bytes(string name, DType type, params long[] shape)
    {
        byte[] bytes = [.. Enumerable.Range(0, (int)type.Bytes(shape.Aggregate(1L, (n, s) => n * s))).Select(i => (byte)(i % 251))];
        return new(name, type, shape, stream => stream.Write(bytes));
    }

    private static byte[] Content(ITensorSource source, string name)
    {
        byte[] bytes = new byte[source.Tensors[name].ByteLength];
        source.Read(name, 0, bytes);
        return bytes;
    }

    [Fact]
    public void What_is_written_is_read_and_written_again_bytewise()
    {
        GgufMetadata values = Values(
            ("u8", new(GgufType.U8, 255L)), ("i8", new(GgufType.I8, -128L)), ("u16", new(GgufType.U16, 65535L)), ("i16", new(GgufType.I16, -5L)), ("i32", new(GgufType.I32, -7L)),
            ("u64", new(GgufType.U64, ulong.MaxValue)), ("i64", new(GgufType.I64, long.MinValue)), ("f32", new(GgufType.F32, 0.10000000149011612)), ("f64", new(GgufType.F64, 0.1)),
            ("flag", new(GgufType.Bool, true)), ("flags", new(GgufType.Bool, new[] { true, false })), ("texts", new(GgufType.String, new byte[][] { [0xFF, 0], [] })),
            ("shorts", new(GgufType.I16, new[] { -1L, 2 })), ("large", new(GgufType.U64, new[] { ulong.MaxValue })), ("halves", new(GgufType.F32, new[] { 0.5 })),
            ("doubles", new(GgufType.F64, new[] { 0.1 })), ("none", new(GgufType.String, Array.Empty<byte[]>())));
        TensorToWrite[] tensors = [Floats("a", 2, 3), Bytes("b", DType.Q4_K, 3, 256), Bytes("c", DType.BF16, 7), Bytes("d", DType.I64, 2, 2, 2, 1), Bytes("e", DType.IQ2_XS, 512)];
        GgufWriter.Write(_folder["a.gguf"], values, tensors);
        using GgufFile file = GgufFile.Open(_folder["a.gguf"]);
        Assert.Empty(file.Warnings);
        Assert.Equal(["general.architecture", "general.name"], file.Values.Values.Keys.Take(2));
        Assert.Equal(2, file.Values.Integer("general.quantization_version"));
        foreach (var (key, value) in values.Values)
        {
            Assert.Equal(value.Type, file.Values.Values[key].Type);
            Assert.Equal(value.Content, file.Values.Values[key].Content);
        }
        Assert.Equal(tensors.Select(t => t.Name), file.Tensors.Keys);
        foreach (TensorToWrite tensor in tensors)
        {
            MemoryStream expected = new();
            tensor.Write(expected);
            Assert.Equal(tensor.DType, file.Tensors[tensor.Name].DType);
            Assert.Equal(tensor.Shape, file.Tensors[tensor.Name].Shape);
            Assert.Equal(expected.ToArray(), Content(file, tensor.Name));
        }
        GgufWriter.Write(_folder["b.gguf"], file.Values, [.. file.Tensors.Keys.Select(n => TensorToWrite.Copy(file, n))]);
        Assert.Equal(File.ReadAllBytes(_folder["a.gguf"]), File.ReadAllBytes(_folder["b.gguf"]));
    }

    [Fact]
    public void Header_and_padding_are_as_the_specification_says()
    {
        GgufMetadata values = new("test");
        values.Set("k", 7);
        GgufWriter.Write(_folder["t.gguf"], values, [Floats("x", 1, 2), Floats("y")]);
        byte[] expected = [.. "GGUF"u8, .. RawGguf.UInt32(3), .. RawGguf.UInt64(2), .. RawGguf.UInt64(1), .. RawGguf.String("k"), .. RawGguf.UInt32(4), .. RawGguf.UInt32(7),
            .. RawGguf.String("x"), .. RawGguf.UInt32(1), .. RawGguf.UInt64(2), .. RawGguf.UInt32(0), .. RawGguf.UInt64(0),
            .. RawGguf.String("y"), .. RawGguf.UInt32(1), .. RawGguf.UInt64(1), .. RawGguf.UInt32(0), .. RawGguf.UInt64(32)];
        expected = [.. expected, .. new byte[(32 - (expected.Length % 32)) % 32], .. BitConverter.GetBytes(0.5f), .. BitConverter.GetBytes(1.5f), .. new byte[24], .. BitConverter.GetBytes(0.5f), .. new byte[28]];
        Assert.Equal(expected, File.ReadAllBytes(_folder["t.gguf"]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(4096)]
    public void Tensors_stand_at_the_stated_alignment(int alignment)
    {
        GgufMetadata values = Values();
        values.Set("general.alignment", alignment);
        GgufWriter.Write(_folder["t.gguf"], values, [Bytes("x", DType.I8, 5), Floats("y", 3)]);
        Assert.Equal(0, new FileInfo(_folder["t.gguf"]).Length % alignment);
        using GgufFile file = GgufFile.Open(_folder["t.gguf"]);
        Assert.Equal([0.5f, 1.5f, 2.5f], file.ReadFloats("y"));
    }

    public static TheoryData<string, string> Unstorable => new()
    {
        { "empty name", "GG023" }, { "name of 64 bytes", "GG023" }, { "lone surrogate", "GG023" }, { "same name", "GG022" }, { "type", "GG016" }, { "NF4", "GG016" },
        { "5 dimensions", "GG013" }, { "size 0", "GG014" }, { "overflow", "GG015" }, { "blocks", "GG017" },
        { "key", "GG006" }, { "nested", "GG009" }, { "content", "GG008" }, { "range", "GG008" }, { "alignment", "GG012" },
    };

    [Theory]
    [MemberData(nameof(Unstorable))]
    public void What_cannot_be_stored_is_refused(string what, string code)
    {
        TensorToWrite[] tensors = what switch
        {
            "empty name" => [Floats("", 1)],
            "name of 64 bytes" => [Floats(new string('ä', 32), 1)],
            "lone surrogate" => [Floats("a\ud800", 1)],
            "same name" => [Floats("a", 1), Floats("a", 2)],
            "type" => [Bytes("a", DType.F8E4M3, 2)],
            "NF4" => [Bytes("a", DType.NF4, 64)],
            "5 dimensions" => [Floats("a", 2, 1, 1, 1, 1)],
            "size 0" => [Floats("a", 2, 0)],
            "overflow" => [new("a", DType.F32, [1L << 40, 1L << 40], _ => { })],
            "blocks" => [new("a", DType.Q4_K, [2, 128], _ => { })],
            _ => [Floats("a", 1)],
        };
        GgufMetadata values = what switch
        {
            "key" => Values(("", new(GgufType.U8, 1L))),
            "nested" => Values(("k", new(GgufType.Array, new[] { 1L }))),
            "content" => Values(("k", new(GgufType.U32, "text"))),
            "range" => Values(("k", new(GgufType.U8, new[] { 1L, 256 }))),
            "alignment" => Values(("general.alignment", new(GgufType.U32, 48L))),
            _ => Values(),
        };
        Assert.Equal(code, Assert.Throws<ModelFileException>(() => GgufWriter.Write(_folder["t.gguf"], values, tensors)).Code);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_model_is_split_and_read_as_one()
    {
        GgufMetadata values = Values(("general.alignment", new(GgufType.U32, 64L)));
        TensorToWrite[] tensors = [Floats("a", 16), Floats("b", 16), Floats("large", 100), Floats("c", 5), Bytes("q", DType.Q8_0, 32)];
        IReadOnlyList<string> files = GgufWriter.WriteSplit(_folder["m.gguf"], values, tensors, 128);
        Assert.Equal(new[] { 1, 2, 3 }.Select(i => _folder[$"m-0000{i}-of-00003.gguf"]), files);
        using GgufFile file = GgufFile.Open(files[0]);
        Assert.Equal(files, file.Files);
        Assert.Equal(tensors.Select(t => t.Name), file.Tensors.Keys);
        Assert.Equal(99.5f, file.ReadFloats("large")[^1]);
        Assert.Equal([0.5f, 1.5f, 2.5f, 3.5f, 4.5f], file.ReadFloats("c"));
        Assert.Equal((GgufType.U16, 3L), (file.Values.Values["split.count"].Type, file.Values.Values["split.count"].Content));
        Assert.Equal((GgufType.I32, 5L), (file.Values.Values["split.tensors.count"].Type, file.Values.Values["split.tensors.count"].Content));
        Assert.Equal(2, file.Values.Size("general.quantization_version"));
        Assert.Empty(GgufFile.Examine(files[0]));

        GgufWriter.Write(_folder["whole.gguf"], file.Values, [.. file.Tensors.Keys.Select(n => TensorToWrite.Copy(file, n))]);
        using GgufFile whole = GgufFile.Open(_folder["whole.gguf"]);
        Assert.False(whole.Values.Has("split.count"));
        Assert.All(whole.Tensors.Keys, name => Assert.Equal(Content(file, name), Content(whole, name)));
    }

    [Fact]
    public void A_small_model_is_one_file()
    {
        Assert.Equal([_folder["m.gguf"]], GgufWriter.WriteSplit(_folder["m"], Values(), [Floats("a", 16)], 1 << 20));
        using GgufFile file = GgufFile.Open(_folder["m.gguf"]);
        Assert.False(file.Values.Has("split.count"));
    }

    [Fact]
    public void Parts_appear_together_or_not_at_all()
    {
        TensorToWrite[] tensors = [Floats("a", 16), Floats("b", 16), Floats("c", 16)];
        string killed = _folder.Put($".m-00002-of-00003.gguf.{Guid.NewGuid():N}.tmp", "half");
        TensorToWrite broken = tensors[0] with { Write = _ => throw new IOException("no space") };
        Assert.Equal("IO008", Assert.Throws<MarrowException>(() => GgufWriter.WriteSplit(_folder["m"], Values(), [broken, .. tensors[1..]], 64)).Code);
        // The first part is written last; those before it are gone again, and what a killed writer left is too.
        Assert.Empty(Directory.GetFiles(_folder.Path));
        Assert.False(File.Exists(killed));
        Assert.Equal(3, GgufWriter.WriteSplit(_folder["m"], Values(), tensors, 64).Count);
        Assert.Equal(3, Directory.GetFiles(_folder.Path).Length);
    }

    [Theory]
    [InlineData("later part", "GS001")]
    [InlineData("parts swapped", "GS001")]
    [InlineData("count", "GS002")]
    [InlineData("tensors", "GS002")]
    [InlineData("duplicate", "GS003")]
    [InlineData("missing", "GS004")]
    [InlineData("renamed", "GS004")]
    public void Splits_that_do_not_belong_together_are_refused(string what, string code)
    {
        TensorToWrite[] tensors = [Floats("a", 8), Floats("b", 8), Floats("c", 8)];
        IReadOnlyList<string> files = GgufWriter.WriteSplit(_folder["m"], Values(), tensors, 32);
        string opened = files[0];
        switch (what)
        {
            case "later part":
                opened = files[1];
                break;
            case "parts swapped":
                File.Move(files[1], _folder["x"]);
                File.Move(files[2], files[1]);
                File.Move(_folder["x"], files[2]);
                break;
            case "count":
                Patch(files[1], "split.count", 2, 4);
                break;
            case "tensors":
                Patch(files[0], "split.tensors.count", 4, 9);
                break;
            case "duplicate":
                File.WriteAllBytes(files[1], new RawGguf { Data = 32 }.Pair("split.no", 2, 1, 0).Pair("split.count", 2, 3, 0).Tensor("a", 0, 0, 8).Bytes());
                break;
            case "missing":
                File.Delete(files[2]);
                break;
            case "renamed":
                opened = _folder["first.gguf"];
                File.Move(files[0], opened);
                break;
        }
        ModelFileException problem = Assert.Throws<ModelFileException>(() => GgufFile.Open(opened));
        Assert.Equal(code, problem.Code);
        Assert.Equal(code, GgufFile.Examine(opened)[0].Code);
        if (what == "later part")
            Assert.Contains("'m-00001-of-00003.gguf'", problem.Message, StringComparison.Ordinal);
    }

    /// <summary>Overwrites a number behind its key.</summary>
    private static void Patch(string path, string key, int width, int value)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int at = bytes.AsSpan().IndexOf(RawGguf.String(key)) + 8 + key.Length + 4;
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(number, value);
        number[..width].CopyTo(bytes.AsSpan(at));
        File.WriteAllBytes(path, bytes);
    }
}
