using System.Buffers.Binary;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>Random damage gives a valid file or a <see cref="MarrowException"/>, never another error.</summary>
public sealed class PthMutationTests(ITestOutputHelper output)
{
    private const int Rounds = 1500;
    private const int Seed = 20_240;

    internal static byte[] Pickle => RawPickle.Start().Op('}').Op('(').Text("a").Tensor().Text("b").Tensor("0", sizes: [3, 2], strides: [1, 3])
        .Text("c").Global("torch._utils", "_rebuild_parameter").Op('(').Tensor("1", "LongStorage", 2, sizes: [2], strides: [1]).Op(0x88).OrderedDict().Op('t').Op('R')
        .Text("n").Op('(').Int(-7).Op((byte)'G', 0, 0, 0, 0, 0, 0, 0, 0).Op((byte)'C', 1, 9).Op(0x8F).Op(')').Op('t').Op((byte)'q', 3).Op('u').Stop();

    [Fact]
    public void MutatedPickles() => Run(Pickle, pickle => RawZip.Of(RawZip.Checkpoint(pickle, ("0", new byte[24]), ("1", new byte[16]))));

    [Fact]
    public void MutatedArchives()
    {
        byte[] file = RawZip.Of([.. RawZip.Checkpoint(Pickle, ("0", new byte[24])), RawEntry.Deflated("t/data/1", new byte[16]), new("t/byteorder", "little"u8.ToArray())]);
        int directory = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(file.Length - 6));
        Run(RawZip.With64(file, 5, (ulong)(file.Length - 22 - directory), (ulong)directory));
    }

    [Fact]
    public void MutatedOlderFiles() =>
        Run(PthMalformedTests.Legacy(value: Pickle, keys: PthMalformedTests.Keys("1", "0"), data: [2, 0, 0, 0, 0, 0, 0, 0, .. new byte[16], 6, 0, 0, 0, 0, 0, 0, 0, .. new byte[24]]));

    private void Run(byte[] seed, Func<byte[], byte[]>? wrap = null)
    {
        using ParserCheck check = new(output, "mutant.pth", Use);
        check.Mutate([seed], Seed, Rounds, wrap: wrap);
        Assert.InRange(check.Refused, Rounds / 4, Rounds);
    }

    private static void Use(string path)
    {
        using PthFile file = PthFile.Open(path);
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            Assert.Equal(tensor.DType.Bits() / 8 * tensor.Count, tensor.ByteLength);
            file.Read(tensor.Name, 0, new byte[Math.Min(tensor.ByteLength, 1 << 16)]);
            file.Read(tensor.Name, tensor.ByteLength - Math.Min(tensor.ByteLength, 9), new byte[Math.Min(tensor.ByteLength, 9)]);
        }
    }
}
