using Marrow.Formats.Gguf;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Random damage gives a valid file or a <see cref="MarrowException"/>, soon and in little memory.</summary>
public sealed class GgufMutationTests(ITestOutputHelper output)
{
    private const int Rounds = 4000;
    private const int VocabularyRounds = 60;
    private const int Seed = 73;

    private static readonly TimeSpan Most = TimeSpan.FromSeconds(20);

    internal static byte[][] Files =>
    [
        GgufMalformedTests.Small(),
        new RawGguf { Version = 2, Data = 2 * 144 }.Text("general.architecture", "rwkv7").Array("ids", (int)GgufType.I64, 2, new byte[16]).Pair("x", (int)GgufType.F64, new byte[8])
            .Tensor("blk.0.attn_q.weight", 12, 0, 256, 2).Bytes(),
        new RawGguf { Alignment = 64, Data = 320 }.Number("general.alignment", 64).Tensor("a", 30, 0, 2, 2, 2, 2).Tensor("b", 39, 64, 32).Tensor("c", 26, 128, 1).Tensor("d", 35, 192, 256).Bytes(),
        new RawGguf().Array("tokenizer.ggml.tokens", (int)GgufType.String, 3, [.. RawGguf.String("<s>"), .. RawGguf.String("</s>"), .. RawGguf.String("a")])
            .Array("tokenizer.ggml.token_type", (int)GgufType.I32, 3, new byte[12]).Array("bytes", (int)GgufType.U8, 5, 1, 2, 3, 4, 5).Bytes(),
    ];

    [Fact]
    public void Mutated_files()
    {
        using ParserCheck check = new(output, "mutant.gguf", Use);
        check.Mutate(Files, Seed, Rounds, head: 300, most: Most);
        Assert.InRange(check.Refused, check.Count / 4, check.Count);
    }

    [Fact]
    public void Mutated_vocabulary()
    {
        if (!Fixtures.Find(output, Path.Combine("tokenizers", "ggml-vocab-llama-spm.gguf"), out string path))
            return;
        using ParserCheck check = new(output, "mutant.gguf", Use);
        check.Mutate([File.ReadAllBytes(path)], Seed, VocabularyRounds, head: 2000, most: Most);
        Assert.InRange(check.Refused, 1, check.Count);
    }

    /// <summary>Reads the ends of every tensor, all values and the file's facts as a program does.</summary>
    internal static void Use(string path)
    {
        GgufFile file;
        try
        {
            file = GgufFile.Open(path);
        }
        catch (ModelFileException e)
        {
            // What is refused first must be among all problems.
            Assert.Contains(e.Message, GgufFile.Examine(path).Select(p => p.Message));
            throw;
        }
        using (file)
        {
            foreach (TensorInfo tensor in file.Tensors.Values)
            {
                Assert.Equal(tensor.ByteLength, tensor.DType.Bytes(tensor.Count));
                file.Read(tensor.Name, 0, new byte[Math.Min(tensor.ByteLength, 1 << 16)]);
                file.Read(tensor.Name, tensor.ByteLength - 1, new byte[1]);
                if (tensor.DType.IsReal())
                    file.ReadFloats(tensor.Name, 0, new float[Math.Min(tensor.Count, 300)]);
                file.FirstFault(tensor.Name);
            }
            Assert.Equal(file.Values.Values.Count, file.Metadata.Count);
            Assert.Empty(GgufFile.Examine(path));
        }
    }
}
