using System.Buffers.Binary;
using FsCheck;
using FsCheck.Fluent;
using Marrow.Formats.Datasets;
using Marrow.Formats.Datasets.BinIdx;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Tests.Datasets;

public sealed class BinIdxTests : IDisposable
{
    private static readonly DType[] Types = [DType.U8, DType.I8, DType.I16, DType.U16, DType.I32, DType.I64];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Write(params int[][] items)
    {
        BinIdxWriter.Write(_folder["data"], items.Select(i => (ReadOnlyMemory<int>)i));
        return _folder["data"];
    }

    private static LoadedDataset Lint(string path, int vocabulary = 100, int maxLength = 8, DatasetFormat format = DatasetFormat.BinIdx) =>
        DatasetLoader.Lint(path, new DatasetOptions { Format = format, MaxLength = maxLength }, new ModelVocabulary(vocabulary));

    [Fact]
    public void The_bytes_of_a_small_dataset()
    {
        Write([5, 6, 0], [65535, 0]);
        Assert.Equal([5, 0, 6, 0, 0, 0, 0xFF, 0xFF, 0, 0], File.ReadAllBytes(_folder["data.bin"]));
        Assert.Equal("4D4D49444944580000" + "0100000000000000" + "08" + "0200000000000000" + "0300000000000000" + "0300000002000000"
            + "0000000000000000" + "0600000000000000" + "0000000000000000" + "0100000000000000" + "0200000000000000", Convert.ToHexString(File.ReadAllBytes(_folder["data.idx"])));
        Assert.Equal(2, Directory.GetFileSystemEntries(_folder.Path).Length);
    }

    [Fact]
    public void Any_items_come_back_in_every_type()
    {
        int round = 0;
        Prop.ForAll(ArbMap.Default.ArbFor<int[][]>(), items =>
        {
            foreach (DType type in Types)
            {
                int[][] fitting = [.. items.Select(item => item.Select(t => type switch
                {
                    DType.U8 => (int)(byte)t,
                    DType.I8 => (sbyte)t,
                    DType.I16 => (short)t,
                    DType.U16 => (ushort)t,
                    _ => t * 7919,
                }).ToArray()), [1]];
                string path = _folder[$"d{round++}"];
                BinIdxWriter.Write(path + ".bin", fitting.Select(i => (ReadOnlyMemory<int>)i), type);
                using BinIdxFile file = BinIdxFile.Open(path + ".idx");
                Assert.Equal((type, fitting.Length, fitting.Sum(i => (long)i.Length)), (file.Type, file.Count, file.Tokens));
                Assert.Empty(file.Warnings);
                Assert.Equal(fitting, Enumerable.Range(0, file.Count).Reverse().Select(file.Read).Reverse());
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(25));
    }

    [Fact]
    public void Items_longer_than_the_buffers_and_many_items()
    {
        int[][] items = [[.. Enumerable.Range(0, 100_000).Select(i => i % 65536)], .. Enumerable.Range(0, 20_000).Select(i => new[] { i, 0 })];
        using BinIdxFile file = BinIdxFile.Open(Write(items));
        Assert.Equal(items[0], file.Read(0));
        Assert.Equal(items[19_999], file.Read(19_999));
        Assert.Equal(20_001, file.Count);
    }

    [Theory]
    [InlineData(DType.U8, 256)]
    [InlineData(DType.I8, 128)]
    [InlineData(DType.U16, -1)]
    [InlineData(DType.U16, 65536)]
    [InlineData(DType.I16, -32769)]
    public void A_token_that_does_not_fit_leaves_the_old_files(DType type, int token)
    {
        Write([1, 0]);
        MarrowException error = Assert.Throws<MarrowException>(() => BinIdxWriter.Write(_folder["data"], [new[] { 1 }, new[] { 2, token }], type));
        Assert.Equal("BI009", error.Code);
        Assert.Contains($"item 2: token 1 is {token}", error.Message, StringComparison.Ordinal);
        using BinIdxFile file = BinIdxFile.Open(_folder["data"]);
        Assert.Equal([1, 0], file.Read(0));
    }

    [Fact]
    public void Floats_cannot_be_written() => Assert.Throws<ArgumentException>(() => BinIdxWriter.Write(_folder["x"], [], DType.F32));

    [Fact]
    public void Items_are_examples_and_long_ones_are_cut()
    {
        string path = Write([1, 2, 0], [.. Enumerable.Range(1, 11), 0], [], [7], [3, 4, 0]);
        foreach ((string name, DatasetFormat format) in new[] { (path, DatasetFormat.BinIdx), (path + ".idx", DatasetFormat.Auto), (path + ".bin", DatasetFormat.Auto) })
        {
            LoadedDataset loaded = Lint(name, format: format);
            Assert.Equal(3, loaded.Examples.Count);
            Assert.Equal([1, 2, 0], loaded.Examples.Ids(0).ToArray());
            Assert.Equal([1, 2, 0], loaded.Examples.Labels(0).ToArray());
            Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], loaded.Examples.Ids(1).ToArray());
            Assert.Equal([3, 4, 0], loaded.Examples.Labels(2).ToArray());
            Assert.Equal((1, 2, 5), (loaded.Examples.Line(0), loaded.Examples.Line(1), loaded.Examples.Line(2)));
            Assert.Equal((1, 4, 0, 1), (loaded.Statistics.Truncated, loaded.Statistics.TruncatedTokens, loaded.Statistics.DroppedByTruncation, loaded.Statistics.DroppedWithoutTargets));
            Assert.Equal((DatasetFormat.BinIdx, 5, 0), (loaded.Report.Format, loaded.Report.Lines, loaded.Report.ErrorCount));
            Assert.Equal(["item 3: dropped: it has no tokens [DS053]", "item 4: dropped: none of its 1 tokens is trained [DS053]"], loaded.Report.Warnings.Select(w => w.ToString()));
            Assert.Equal([FileHash.Of(path + ".idx"), FileHash.Of(path + ".bin")], loaded.Report.Files);
            Assert.StartsWith($"{name}: 5 items", loaded.Report.ToString(), StringComparison.Ordinal);
        }
        Assert.Equal([path + ".idx", path + ".bin"], DatasetFiles.Of(path, DatasetFormat.BinIdx));
        Assert.Equal([path], DatasetFiles.Of(path, DatasetFormat.Auto));
        Assert.Equal(DatasetFormat.BinIdx, DatasetOptions.ParseFormat("binidx"));
    }

    [Fact]
    public void Tokens_outside_the_vocabulary_are_errors_of_their_items()
    {
        LoadedDataset loaded = Lint(Write([1, 0], [2, 100, 0]));
        Assert.Equal("item 2: token[1] is 100, outside the model's vocabulary of 100; tokenise with this model's tokenizer [DS024]", Assert.Single(loaded.Report.Errors).ToString());
        Assert.Contains("1 of 2 items cannot be used", Assert.Throws<MarrowException>(loaded.Report.ThrowIfErrors).Message, StringComparison.Ordinal);
        Assert.Equal("DS002", Assert.Throws<MarrowException>(() => Lint(WriteEmpty())).Code);

        string WriteEmpty()
        {
            string path = Write();
            _folder.Put("data.bin", "x");
            return path;
        }
    }

    [Fact]
    public void Odd_but_readable()
    {
        string path = Write([1, 0], [2, 0], [3, 0]);
        File.AppendAllText(path + ".bin", "tail");
        Patch(34 + 12 * 3 + 8 * 2, 1L);
        LoadedDataset loaded = Lint(path);
        Assert.Equal(3, loaded.Examples.Count);
        Assert.Equal(["DS059", "DS059"], loaded.Report.Warnings.Select(w => w.Code));
        Assert.StartsWith("some documents", loaded.Report.Warnings[0].ToString(), StringComparison.Ordinal);
        Assert.Contains("4 bytes behind", loaded.Report.Warnings[1].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0x4DL, "BI001")]
    [InlineData(9, 2L, "BI002")]
    [InlineData(9, 0L, "BI002")]
    [InlineData(18, 4L, "BI004")]
    [InlineData(18, -1L, "BI004")]
    [InlineData(18, 0x1555555555555558L, "BI004")]
    [InlineData(18, long.MinValue, "BI004")]
    [InlineData(26, 3L, "BI004")]
    [InlineData(26, 1L << 61, "BI004")]
    [InlineData(34, 0x2_FFFFFFFFL, "BI005")]
    [InlineData(34, 0x2_7FFFFFFFL, "BI005")]
    [InlineData(34, 0x2_00000003L, "BI005")]
    [InlineData(46, -4L, "BI005")]
    [InlineData(54, 5L, "BI005")]
    [InlineData(54, 1L << 40, "BI005")]
    [InlineData(70, 1L, "BI007")]
    [InlineData(78, -1L, "BI007")]
    [InlineData(86, 4L, "BI007")]
    [InlineData(94, 2L, "BI007")]
    [InlineData(94, long.MaxValue, "BI007")]
    public void Malformed_numbers(int at, long value, string code)
    {
        string path = Write([1, 0], [2, 0], [3, 0]);
        Patch(at, value);
        ModelFileException error = Assert.Throws<ModelFileException>(() => BinIdxFile.Open(path));
        Assert.Equal(code, error.Code);
        Assert.StartsWith(path + ".idx: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(9)]
    [InlineData(255)]
    public void Types_that_are_not_tokens(byte type)
    {
        string path = Write([1, 0]);
        byte[] bytes = File.ReadAllBytes(path + ".idx");
        bytes[17] = type;
        File.WriteAllBytes(path + ".idx", bytes);
        Assert.Equal("BI003", Assert.Throws<ModelFileException>(() => BinIdxFile.Open(path)).Code);
    }

    [Fact]
    public void Every_cut_of_the_index_and_the_data_is_refused()
    {
        string path = Write([1, 0], [2, 3, 0]);
        byte[] index = File.ReadAllBytes(path + ".idx"), data = File.ReadAllBytes(path + ".bin");
        for (int length = 0; length < index.Length; length++)
        {
            File.WriteAllBytes(path + ".idx", index[..length]);
            Assert.Equal(length switch { 0 => "IO002", < 9 => "BI001", _ => "BI004" }, Assert.Throws<ModelFileException>(() => BinIdxFile.Open(path)).Code);
        }
        File.WriteAllBytes(path + ".idx", index);
        for (int length = 0; length < data.Length; length++)
        {
            File.WriteAllBytes(path + ".bin", data[..length]);
            Assert.Equal("BI006", Assert.Throws<ModelFileException>(() => BinIdxFile.Open(path)).Code);
        }
        File.Delete(path + ".bin");
        Assert.Contains("data.bin: there is no such file", Assert.Throws<ModelFileException>(() => BinIdxFile.Open(path)).Message, StringComparison.Ordinal);
        Assert.Equal("BI008", Assert.Throws<ModelFileException>(() => Lint(_folder["other"])).Code);
    }

    [Fact]
    public void Tokens_beyond_32_bits()
    {
        BinIdxWriter.Write(_folder["data"], [new[] { 1, 2, 3 }], DType.I64);
        byte[] bytes = File.ReadAllBytes(_folder["data.bin"]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8), 1L << 32);
        File.WriteAllBytes(_folder["data.bin"], bytes);
        using BinIdxFile file = BinIdxFile.Open(_folder["data"]);
        ModelFileException error = Assert.Throws<ModelFileException>(() => file.Read(0));
        Assert.Equal("BI009", error.Code);
        Assert.Contains("token 1 is 4294967296", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_changed_byte_is_read_or_refused()
    {
        string path = Write([1, 0], [2, 3, 0], [4, 5, 6, 0]);
        byte[] index = File.ReadAllBytes(path + ".idx");
        var random = new Random(3);
        int refused = 0;
        for (int n = 0; n < 1000; n++)
        {
            byte[] damaged = [.. index];
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(path + ".idx", damaged);
            try
            {
                Lint(path);
            }
            catch (ModelFileException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 900, 1000);
    }

    private void Patch(int at, long value)
    {
        byte[] bytes = File.ReadAllBytes(_folder["data.idx"]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), value);
        File.WriteAllBytes(_folder["data.idx"], bytes);
    }
}
