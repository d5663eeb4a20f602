using System.Buffers.Binary;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>Random damage gives a valid file or a <see cref="MarrowException"/>, never another error.</summary>
public sealed class PthMutationTests(ITestOutputHelper output) : IDisposable
{
    private const int Rounds = 1500;
    private const int Seed = 20_240;

    private static readonly byte[][] Boundaries =
        [[0], [1], [0x7F], [0x80], [0xFF], [0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0x80], [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0, 0, 0, 0, 0x80],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static byte[] Pickle => RawPickle.Start().Op('}').Op('(').Text("a").Tensor().Text("b").Tensor("0", sizes: [3, 2], strides: [1, 3])
        .Text("c").Global("torch._utils", "_rebuild_parameter").Op('(').Tensor("1", "LongStorage", 2, sizes: [2], strides: [1]).Op(0x88).OrderedDict().Op('t').Op('R')
        .Text("n").Op('(').Int(-7).Op((byte)'G', 0, 0, 0, 0, 0, 0, 0, 0).Op((byte)'C', 1, 9).Op(0x8F).Op(')').Op('t').Op((byte)'q', 3).Op('u').Stop();

    [Fact]
    public void MutatedPickles() => Run("pickle", Pickle, pickle => RawZip.Of(RawZip.Checkpoint(pickle, ("0", new byte[24]), ("1", new byte[16]))));

    [Fact]
    public void MutatedArchives()
    {
        byte[] file = RawZip.Of([.. RawZip.Checkpoint(Pickle, ("0", new byte[24])), RawEntry.Deflated("t/data/1", new byte[16]), new("t/byteorder", "little"u8.ToArray())]);
        int directory = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(file.Length - 6));
        Run("archive", RawZip.With64(file, 5, (ulong)(file.Length - 22 - directory), (ulong)directory), mutant => mutant);
    }

    [Fact]
    public void MutatedOlderFiles() => Run("older form",
        PthMalformedTests.Legacy(value: Pickle, keys: PthMalformedTests.Keys("1", "0"), data: [2, 0, 0, 0, 0, 0, 0, 0, .. new byte[16], 6, 0, 0, 0, 0, 0, 0, 0, .. new byte[24]]), file => file);

    private void Run(string what, byte[] seed, Func<byte[], byte[]> wrap)
    {
        output.WriteLine($"{what}: seed {Seed}, {Rounds} rounds");
        Random random = new(Seed);
        Open(wrap(seed));
        int refused = 0;
        for (int round = 0; round < Rounds; round++)
        {
            byte[] mutant = Mutate(seed, random);
            try
            {
                Open(wrap(mutant));
            }
            catch (MarrowException)
            {
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"{what}, round {round}: {e}\n{Convert.ToHexString(mutant)}");
            }
        }
        output.WriteLine($"{refused} were refused");
        Assert.InRange(refused, Rounds / 4, Rounds);
    }

    private void Open(byte[] content)
    {
        using PthFile file = PthFile.Open(_folder.Put("mutant.pth", content));
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            Assert.Equal(tensor.DType.Bits() / 8 * tensor.Count, tensor.ByteLength);
            file.Read(tensor.Name, 0, new byte[Math.Min(tensor.ByteLength, 1 << 16)]);
            file.Read(tensor.Name, tensor.ByteLength - Math.Min(tensor.ByteLength, 9), new byte[Math.Min(tensor.ByteLength, 9)]);
        }
    }

    private static byte[] Mutate(byte[] seed, Random random)
    {
        List<byte> bytes = [.. seed];
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    byte[] boundary = Boundaries[random.Next(Boundaries.Length)];
                    for (int i = 0; i < boundary.Length && at + i < bytes.Count; i++)
                        bytes[at + i] = boundary[i];
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at - 1));
                    break;
                default:
                    bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count - 1), 1));
                    break;
            }
        }
        return [.. bytes];
    }
}
