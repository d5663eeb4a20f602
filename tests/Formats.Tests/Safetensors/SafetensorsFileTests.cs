using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Tests.Safetensors;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RefusesALongName() => Assert.Equal("ST019", Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(_folder.Put("bad.safetensors",
        RawSafetensors.Of($"{{{RawSafetensors.Entry(new string('n', 65_536), "U8", "[1]", "[0,1]")}}}", 1)))).Code);

    [Theory]
    [InlineData("""{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}""", 16)]
    [InlineData("{}", 0)]
    [InlineData("{}      ", 0)]
    [InlineData("""{"test":{"dtype":"I32","shape":[2,0],"data_offsets":[0,0]}}""", 0)]
    [InlineData("""{"b":{"dtype":"I32","shape":[0],"data_offsets":[4,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"c":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}""", 5)]
    [InlineData("""{"x":{"dtype":"F4","shape":[2,2],"data_offsets":[0,2]},"y":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[2,5]}}""", 5)]
    public void AcceptsWhatTheFormatAllows(string header, int dataBytes)
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Put("good.safetensors", RawSafetensors.Of(header, dataBytes)));
        Assert.Equal(dataBytes, file.Tensors.Values.Sum(t => t.ByteLength));
        Assert.Empty(file.Warnings);
    }

    [Fact]
    public void AHeaderLengthThatSpellsAPageIsNoPage()
    {
        // 0x213C is "<!" in little-endian bytes.
        string header = "{}".PadRight(0x213C);
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Put("good.safetensors", RawSafetensors.Of(header, 0)));
        Assert.Empty(file.Tensors);
    }

    [Fact]
    public void UnknownMembersAreToldAndIgnored()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Put("odd.safetensors",
            RawSafetensors.Of("""{"x":{"dtype":"U8","note":{"a":[1]},"shape":[1],"data_offsets":[0,1]}}""", 1)));
        Assert.Contains("note", Assert.Single(file.Warnings), StringComparison.Ordinal);
        Assert.Equal(DType.U8, file.Tensors["x"].DType);
    }

    [Fact]
    public void EveryTruncationIsAModelFileError()
    {
        string path = _folder["whole.safetensors"];
        SafetensorsWriter.Write(path, [
            TensorToWrite.FromFloats("a", [2, 3], new float[6]),
            TensorToWrite.FromInt64s("b", [2], new long[2])]);
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length++)
        {
            string cut = _folder.Put("cut.safetensors", whole[..length]);
            Assert.StartsWith("ST0", Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(cut)).Code, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AFileCutWhileOpenGivesAShortRead()
    {
        if (OperatingSystem.IsWindows())
            return; // Windows does not let an open file be cut.
        string path = _folder["whole.safetensors"];
        SafetensorsWriter.Write(path, [TensorToWrite.FromFloats("a", [1000], new float[1000])]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        byte[] whole = File.ReadAllBytes(path);
        System.Diagnostics.Process.Start("truncate", ["-s", $"{whole.Length - 100}", path]).WaitForExit();
        Assert.Equal("IO005", Assert.Throws<ModelFileException>(() => file.ReadFloats("a")).Code);
    }
}
