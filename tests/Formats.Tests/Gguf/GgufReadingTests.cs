using System.Text;
using Marrow.Formats.Gguf;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Gguf;

public sealed class GgufReadingTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private GgufFile Open(RawGguf raw) => GgufFile.Open(_folder.Put("t.gguf", raw.Bytes()));

    [Theory]
    [InlineData(2u)]
    [InlineData(3u)]
    public void Tensors_and_values_are_read(uint version)
    {
        using GgufFile file = Open(new RawGguf { Version = version, Data = 98 }
            .Text("general.architecture", "llama").Number("llama.block_count", 2).Pair("flag", (int)GgufType.Bool, 1)
            .Array("ids", (int)GgufType.I16, 2, 0xFF, 0xFF, 3, 0).Array("names", (int)GgufType.String, 2, [.. RawGguf.String("a"), .. RawGguf.String("")])
            .Tensor("m", 0, 0, 3, 2).Tensor("s", 1, 32).Tensor("q", 8, 64, 32));
        Assert.Equal("llama", file.Values.Text("general.architecture"));
        Assert.Equal(2, file.Values.Size("llama.block_count"));
        Assert.True(file.Values.Flag("flag"));
        Assert.Equal([-1, 3], file.Values.Integers("ids")!);
        Assert.Equal(["a", ""], file.Values.Strings("names")!.Select(Encoding.UTF8.GetString));
        Assert.Equal(["m", "s", "q"], file.Tensors.Keys);
        Assert.Equal([2, 3], file.Tensors["m"].Shape);
        Assert.Empty(file.Tensors["s"].Shape);
        Assert.Equal((DType.Q8_0, 34), (file.Tensors["q"].DType, file.Tensors["q"].ByteLength));
        byte[] two = new byte[2];
        file.Read("q", 31, two);
        Assert.Equal([(byte)(95 % 7), (byte)(96 % 7)], two);
        Assert.Equal("array of 2 I16", file.Metadata["ids"]);
        Assert.Equal("true", file.Metadata["flag"]);
        Assert.Equal("llama", file.Metadata["general.architecture"]);
        Assert.Empty(file.Warnings);
        Assert.Equal([file.Path], file.Files);
    }

    [Fact]
    public void Every_scalar_type_is_read_with_its_extreme_values()
    {
        using GgufFile file = Open(new RawGguf()
            .Pair("u8", 0, 0xFF).Pair("i8", 1, 0x80).Pair("u16", 2, 0xFF, 0xFF).Pair("i16", 3, 0, 0x80).Pair("u32", 4, 0xFF, 0xFF, 0xFF, 0xFF)
            .Pair("i32", 5, 0, 0, 0, 0x80).Pair("f32", 6, BitConverter.GetBytes(1.5f)).Pair("u64", 10, RawGguf.UInt64(ulong.MaxValue))
            .Pair("i64", 11, RawGguf.UInt64(1ul << 63)).Pair("f64", 12, BitConverter.GetBytes(Math.PI)));
        Assert.Equal<object>([255L, -128L, 65535L, -32768L, 4294967295L, -2147483648L, 1.5, ulong.MaxValue, long.MinValue, Math.PI], file.Values.Values.Values.Select(v => v.Content));
    }

    [Fact]
    public void Alignment_may_come_after_other_values()
    {
        using GgufFile file = Open(new RawGguf { Alignment = 64, Data = 68 }.Text("a", "b").Number("general.alignment", 64).Tensor("x", 0, 0, 1).Tensor("y", 0, 64, 1));
        byte[] one = new byte[4];
        file.Read("y", 0, one);
        Assert.Equal([64 % 7, 65 % 7, 66 % 7, 67 % 7], one.Select(b => (int)b));
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(32, 0)]
    [InlineData(33, 1)]
    public void Padding_behind_the_last_tensor_may_be_missing(int data, int warnings)
    {
        using GgufFile file = Open(new RawGguf { Data = data }.Tensor("x", 0, 0, 1));
        Assert.Equal(warnings, file.Warnings.Count);
    }

    [Fact]
    public void Every_block_type_is_listed()
    {
        foreach (var format in Marrow.Formats.Numerics.Blocks.BlockFormats.All.Where(f => f.Id >= 0))
        {
            using GgufFile file = Open(new RawGguf { Data = 3 * format.Bytes }.Tensor("x", format.Id, 0, format.Elements, 3));
            Assert.Equal((format.DType, 3L * format.Bytes), (file.Tensors["x"].DType, file.Tensors["x"].ByteLength));
        }
    }

    [Theory]
    [InlineData("ggml-vocab-llama-spm.gguf", 32000)]
    [InlineData("ggml-vocab-gpt-2.gguf", 50257)]
    [InlineData("ggml-vocab-falcon.gguf", 65024)]
    [InlineData("ggml-vocab-phi-3.gguf", 32064)]
    [InlineData("ggml-vocab-deepseek-llm.gguf", 102400)]
    public void Vocabulary_files_open_and_are_written_again_bytewise(string name, int tokens)
    {
        if (!Fixtures.Find(output, Path.Combine("tokenizers", name), out string path))
            return;
        long before = GC.GetAllocatedBytesForCurrentThread();
        using GgufFile file = GgufFile.Open(path);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine($"{new FileInfo(path).Length} bytes, {allocated} allocated");
        Assert.Empty(file.Tensors);
        Assert.Empty(file.Warnings);
        Assert.Equal(tokens, file.Values.Strings("tokenizer.ggml.tokens")!.Length);
        Assert.InRange(allocated, 0, (8 * new FileInfo(path).Length) + (1 << 20));
        GgufWriter.Write(_folder["again.gguf"], file.Values, []);
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(_folder["again.gguf"]));
    }
}
