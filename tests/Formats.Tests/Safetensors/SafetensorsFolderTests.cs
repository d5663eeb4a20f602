using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Safetensors;

public sealed class SafetensorsFolderTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("8", 0)]
    [InlineData("8.0", 0)]
    [InlineData("9", 1)]
    [InlineData("\"x\"", 1)]
    [InlineData("[[]]", 1)]
    public void TotalSizeIsAHintOnly(string total, int warnings)
    {
        SafetensorsWriter.Write(_folder["s1"], [One("a")]);
        SafetensorsWriter.Write(_folder["s2"], [One("b")]);
        _folder.Put(SafetensorsFolder.IndexFile, $$$"""{"metadata":{"total_size":{{{total}}},"other":{}},"weight_map":{"a":"s1","b":"s2"}}""");
        using SafetensorsFolder folder = SafetensorsFolder.Open(_folder.Path);
        Assert.Equal(warnings, folder.Warnings.Count);
        Assert.Equal(2, folder.Tensors.Count);
    }

    [Fact]
    public void UnmappedTensorsAreToldAndIgnored()
    {
        SafetensorsWriter.Write(_folder["s1"], [One("a"), One("stray")]);
        _folder.Put(SafetensorsFolder.IndexFile, """{"weight_map":{"a":"s1"}}""");
        using SafetensorsFolder folder = SafetensorsFolder.Open(_folder.Path);
        Assert.Contains("stray", Assert.Single(folder.Warnings), StringComparison.Ordinal);
        Assert.Equal(["a"], folder.Tensors.Keys);
    }

    [Fact]
    public void TheSingleFileWins()
    {
        SafetensorsWriter.Write(_folder[SafetensorsFolder.SingleFile], [One("single")]);
        _folder.Put(SafetensorsFolder.IndexFile, """{"weight_map":{"a":"gone"}}""");
        using SafetensorsFolder folder = SafetensorsFolder.Open(_folder.Path);
        Assert.Equal(["single"], folder.Tensors.Keys);
        Assert.Equal([_folder[SafetensorsFolder.SingleFile]], folder.Files);
    }

    [Theory]
    [InlineData(1000, 1)]
    [InlineData(40, 3)]
    [InlineData(1, 5)]
    public void ModelsAreWrittenInShards(long maxShardBytes, int files)
    {
        SafetensorsWriter.WriteModel(_folder.Path, Enumerable.Range(0, 5).Select(i =>
            TensorToWrite.FromFloats($"t{i}", [5], new float[] { i, 1, 2, 3, 4 })), maxShardBytes);
        using SafetensorsFolder folder = SafetensorsFolder.Open(_folder.Path);
        Assert.Equal(files, folder.Files.Count);
        Assert.Equal(files == 1, File.Exists(_folder[SafetensorsFolder.SingleFile]));
        Assert.Empty(folder.Warnings);
        Assert.Equal("pt", folder.Metadata["format"]);
        for (int i = 0; i < 5; i++)
            Assert.Equal([i, 1, 2, 3, 4], folder.ReadFloats($"t{i}"));
        Assert.Equal("TS001", Assert.Throws<ModelFileException>(() => folder.Read("t5", 0, [])).Code);
        Assert.Equal("IO009", Assert.Throws<MarrowException>(() => SafetensorsWriter.WriteModel(_folder.Path, [])).Code);
    }

    [Fact]
    public void ShardedAndBf16FixturesHoldTheSameModel()
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using SafetensorsFolder single = SafetensorsFolder.Open(Path.Combine(root, "model"));
        using SafetensorsFolder sharded = SafetensorsFolder.Open(Path.Combine(root, "model_sharded"));
        using SafetensorsFolder bf16 = SafetensorsFolder.Open(Path.Combine(root, "model_bf16"));
        Assert.Equal(21, single.Tensors.Count);
        Assert.Equal(3, sharded.Files.Count);
        Assert.Equal(single.Tensors.Keys.Order(), sharded.Tensors.Keys.Order());
        Assert.Equal(single.Tensors.Keys.Order(), bf16.Tensors.Keys.Order());
        Assert.Empty(sharded.Warnings);
        foreach (string name in single.Tensors.Keys)
        {
            float[] values = single.ReadFloats(name);
            Assert.Contains(values, v => v != 0);
            Assert.Equal(values, sharded.ReadFloats(name));
            Assert.Equal(DType.BF16, bf16.Tensors[name].DType);
            Assert.Equal(values.Select(v => (float)(BFloat16)v), bf16.ReadFloats(name));
        }
    }

    [Fact]
    public void BatchFixtureReadsAsIntegers()
    {
        if (!Fixtures.Find(output, "llama_a/batch.safetensors", out string path))
            return;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        file.Require("labels", 2, 24);
        Assert.Equal(35, Enumerable.Range(0, 48).Count(i => i % 24 != 0 && file.ReadInt64s("labels")[i] != -100));
        Assert.All(file.ReadInt64s("input_ids"), id => Assert.InRange(id, 0, 256));
    }

    private static TensorToWrite One(string name) => TensorToWrite.FromFloats(name, [1], new float[] { 1 });
}
