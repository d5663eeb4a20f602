using System.IO.Compression;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;

namespace Marrow.Formats.Tests.PyTorch;

public sealed class PthRoundTripTests : IDisposable
{
    private static readonly DType[] Storable =
        [DType.F32, DType.F16, DType.BF16, DType.F64, DType.I64, DType.I32, DType.I16, DType.I8, DType.U8, DType.Bool, DType.C64];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RandomTensorsComeBackByteForByte() => Prop.ForAll(
        ArbMap.Default.ArbFor<NonEmptyString[]>(), ArbMap.Default.ArbFor<int>(), ArbMap.Default.ArbFor<bool>(), (names, seed, zip64) =>
        {
            Random random = new(seed);
            Dictionary<string, (DType Type, long[] Shape, byte[] Bytes)> made = [];
            foreach (NonEmptyString any in names)
            {
                string name = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(any.Get));
                DType type = Storable[random.Next(Storable.Length)];
                long[] shape = [.. Enumerable.Range(0, random.Next(6)).Select(_ => (long)random.Next(random.Next(10) == 0 ? 0 : 1, 7))];
                byte[] bytes = new byte[type.Bytes(shape.Aggregate(1L, (n, d) => n * d))];
                random.NextBytes(bytes);
                made[name] = (type, shape, bytes);
            }
            string path = _folder["round.pth"], copy = _folder["copy.pth"];
            long from = zip64 ? 100 : uint.MaxValue;
            PthWriter.Write(path, [.. made.Select(t => new TensorToWrite(t.Key, t.Value.Type, t.Value.Shape, s => s.Write(t.Value.Bytes)))], from);
            using PthFile file = PthFile.Open(path);
            Assert.Empty(file.Warnings);
            Assert.Equal(made.Keys, file.Tensors.Keys);
            foreach (var (name, (type, shape, bytes)) in made)
            {
                TensorInfo info = file.Require(name, shape);
                Assert.Equal(type, info.DType);
                byte[] read = new byte[info.ByteLength];
                file.Read(name, 0, read);
                Assert.Equal(bytes, read);
            }
            PthWriter.Write(copy, [.. file.Tensors.Keys.Select(n => TensorToWrite.Copy(file, n))], from);
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(copy));
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData((long)uint.MaxValue)]
    [InlineData(100L)]
    [InlineData(0L)]
    public void OtherZipReadersTakeTheFile(long zip64From)
    {
        string path = _folder["zip.pth"];
        PthWriter.Write(path, [
            TensorToWrite.FromFloats("a", [10, 10], Enumerable.Range(0, 100).Select(i => (float)i).ToArray()), TensorToWrite.FromInt64s("b", [0], Array.Empty<long>())], zip64From);
        byte[] content = File.ReadAllBytes(path);
        using ZipArchive zip = ZipFile.OpenRead(path);
        Assert.Equal(["archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/data/1", "archive/version"], zip.Entries.Select(e => e.FullName));
        foreach (ZipArchiveEntry entry in zip.Entries)
        {
            using MemoryStream read = new();
            using (Stream stream = entry.Open())
                stream.CopyTo(read);
            Assert.Equal(entry.Length, read.Length);
            Assert.Equal(entry.Crc32, Crc32.Append(0, read.ToArray()));
            int at = content.AsSpan().IndexOf(read.ToArray());
            Assert.True(read.Length == 0 || at >= 0);
        }
        int data = content.AsSpan().IndexOf((byte[])[0, 0, 0, 0, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]);
        Assert.True(data > 0 && data % 64 == 0, $"the data begin at {data}");
    }

    /// <summary>The check value of the CRC's definition, and that pieces add up.</summary>
    [Fact]
    public void ChecksumsAreThoseOfZip()
    {
        Assert.Equal(0xCBF43926u, Crc32.Append(0, "123456789"u8));
        byte[] bytes = new byte[100];
        new Random(5).NextBytes(bytes);
        for (int cut = 0; cut <= bytes.Length; cut++)
            Assert.Equal(Crc32.Append(0, bytes), Crc32.Append(Crc32.Append(0, bytes.AsSpan(0, cut)), bytes.AsSpan(cut)));
    }

    [Fact]
    public void TheWriterRefusesWhatNoReaderTakes()
    {
        string path = _folder["refused.pth"];
        Assert.Equal("PT031", Refused(Empty("a"), Empty("a")));
        Assert.Equal("PT034", Refused(Empty("\ud800")));
        Assert.Equal("PT034", Refused(Empty(new string('n', 65_536))));
        Assert.Equal("PT034", Refused(new TensorToWrite("a", DType.F32, [-1], _ => { })));
        Assert.Equal("PT034", Refused(new TensorToWrite("a", DType.F32, [1L << 62, 0], _ => { })));
        Assert.Equal("PT034", Refused(new TensorToWrite("a", DType.F32, [.. Enumerable.Repeat(1L, 33)], _ => { })));
        foreach (DType type in Enum.GetValues<DType>().Except(Storable))
            Assert.Equal("PT034", Refused(new TensorToWrite("a", type, [4], _ => { })));
        Assert.Throws<InvalidOperationException>(() => PthWriter.Write(path, [new TensorToWrite("a", DType.F32, [1], s => s.WriteByte(0))]));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));

        string Refused(params TensorToWrite[] tensors) => Assert.Throws<ModelFileException>(() => PthWriter.Write(path, tensors)).Code;
        static TensorToWrite Empty(string name) => new(name, DType.F32, [0], _ => { });
    }
}
