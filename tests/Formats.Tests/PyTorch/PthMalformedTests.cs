using Marrow.Formats.PyTorch;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>What torch files that cannot be read are told, beside the cases of the catalogue.</summary>
public sealed class PthMalformedTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static byte[] Good => RawPickle.Dict(p => p.Tensor());

    private static byte[] Whole => RawZip.Of(Good);

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
    internal static byte[] Laughs(int levels)
    {
        RawPickle value = new RawPickle().Op(')');
        for (int level = 0; level < levels; level++)
            value.Op('r').UInt32(1000).Op('j').UInt32(1000).Op(0x86);
        return value;
    }

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

    internal static byte[] Machine(long protocol, byte littleEndian) =>
        RawPickle.Start().Op('}').Op('(').Text("protocol_version").Int(protocol).Text("little_endian").Op(littleEndian).Op('u').Stop();
}
