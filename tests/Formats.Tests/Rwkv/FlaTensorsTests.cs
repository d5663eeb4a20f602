using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Rwkv;

public class FlaTensorsTests(ITestOutputHelper output)
{
    private const int C = 8, D = 2;

    [Theory]
    [InlineData("rwkv7/model.safetensors", RwkvNaming.Fla7)]
    [InlineData("rwkv_tiny/tiny-rwkv7.safetensors", RwkvNaming.Fla7)]
    [InlineData("rwkv_tiny/rwkv7-random.safetensors", RwkvNaming.Fla7)]
    [InlineData("rwkv_tiny/rwkv6-random.safetensors", RwkvNaming.Fla6)]
    [InlineData("rwkv_tiny/rwkv6-random.safetensors", RwkvNaming.HuggingFace6)]
    public void Official_tensors_come_back_bit_for_bit(string fixture, RwkvNaming naming)
    {
        if (!Fixtures.Find(output, fixture, out string path))
            return;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using var official = MemoryTensors.Copy(file, n => n.Contains("time_state", StringComparison.Ordinal));
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["fla.safetensors"], FlaWriter.Tensors(official, naming));
        SafetensorsFile written = SafetensorsFile.Open(folder["fla.safetensors"]);
        Assert.Null(FlaTensors.NamingOf(official));
        Assert.Equal(naming, FlaTensors.NamingOf(written));
        using FlaTensors back = FlaTensors.Open(written, naming);
        Assert.Equal(naming, back.Naming);
        AssertSame(official, back);
    }

    [Fact]
    public void A_state_has_no_place_in_fla_files_and_is_refused_by_name()
    {
        using var official = Official7().Add("blocks.1.att.time_state", 2, 4, 4);
        ModelFileException error = Assert.Throws<ModelFileException>(() => FlaWriter.Tensors(official, RwkvNaming.Fla7));
        Assert.Equal("FL004", error.Code);
        Assert.Contains("'blocks.1.att.time_state'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_and_shapes_of_fla_7()
    {
        using MemoryTensors official = Official7(), fla = MemoryTensors.Of(FlaWriter.Tensors(official, RwkvNaming.Fla7));
        string[] expected =
        [
            "lm_head.weight [5,8]", "model.embeddings.weight [5,8]", "model.layers.0.attn.g_lora.lora.0.weight [2,8]", "model.layers.0.attn.g_lora.lora.2.weight [8,2]",
            "model.layers.0.attn.g_norm.bias [8]", "model.layers.0.attn.k_a [8]", "model.layers.0.attn.k_k [8]", "model.layers.0.attn.o_proj.weight [8,8]", "model.layers.0.attn.r_k [2,4]",
            "model.layers.0.attn.w_lora.lora.0.weight [2,8]", "model.layers.0.attn.w_lora.lora.2.bias [8]", "model.layers.0.attn.w_lora.lora.2.weight [8,2]", "model.layers.0.attn.x_g [1,1,8]",
            "model.layers.0.attn_norm.weight [8]", "model.layers.0.ffn.key.weight [16,8]", "model.layers.0.ffn.value.weight [8,16]", "model.layers.0.ffn.x_k [8]",
            "model.layers.0.ffn_norm.bias [8]", "model.layers.0.pre_norm.weight [8]", "model.layers.1.attn.v_lora.lora.0.weight [2,8]", "model.layers.1.attn.v_lora.lora.2.bias [8]", "model.norm.bias [8]",
        ];
        string[] there = [.. fla.Tensors.Values.Select(t => $"{t.Name} {t.ShapeText}")];
        Assert.All(expected, line => Assert.Contains(line, there));
        Assert.DoesNotContain(there, line => line.StartsWith("model.layers.0.attn.v_lora", StringComparison.Ordinal) || line.Contains("layers.1.pre_norm", StringComparison.Ordinal));
        // w1[c, d] stands at lora.0.weight[d, c].
        for (int c = 0; c < C; c++)
            for (int d = 0; d < D; d++)
                Assert.Equal(Bits(official, "blocks.0.att.w1", c * D + d), Bits(fla, "model.layers.0.attn.w_lora.lora.0.weight", d * C + c));
    }

    [Fact]
    public void The_unused_values_of_block_0_are_left_out_of_fla_files_only()
    {
        using MemoryTensors without = Official7(), with = Official7().Add("blocks.0.att.v0", 1, 1, C).Add("blocks.0.att.v1", C, D).Add("blocks.0.att.v2", D, C);
        Assert.Equal(FlaWriter.Tensors(without, RwkvNaming.Fla7).Select(t => t.Name), FlaWriter.Tensors(with, RwkvNaming.Fla7).Select(t => t.Name));
        // A file may have them all the same.
        using MemoryTensors fla = MemoryTensors.Of(FlaWriter.Tensors(without, RwkvNaming.Fla7)).Add("model.layers.0.attn.v_lora.lora.2.bias", C);
        using FlaTensors back = FlaTensors.Open(fla, RwkvNaming.Fla7);
        Assert.Equal([1L, 1, C], back.Tensors["blocks.0.att.v0"].Shape);
    }

    [Fact]
    public void The_stack_of_older_fla_files_is_cut_into_its_rows()
    {
        using MemoryTensors official = Official7(), fla = MemoryTensors.Of(FlaWriter.Tensors(official, RwkvNaming.Fla7));
        const string at = "model.layers.1.attn.";
        byte[] stack = [.. "rwkvag".SelectMany(c => Bytes(official, $"blocks.1.att.x_{c}"))];
        foreach (char c in "rwkvag")
            fla.Remove($"{at}x_{c}");
        fla.Add($"{at}x_x", DType.F32, [6, C], stack);
        using (FlaTensors back = FlaTensors.Open(MemoryTensors.Copy(fla, _ => false), RwkvNaming.Fla7))
        {
            AssertSame(official, back);
            byte[] one = new byte[8];
            ModelFileException beyond = Assert.Throws<ModelFileException>(() => back.Read("blocks.1.att.x_r", 4 * C - 4, one));
            Assert.Equal("TS004", beyond.Code);
        }
        fla.Add($"{at}x_w", 1, 1, C);
        ModelFileException error = Assert.Throws<ModelFileException>(() => FlaTensors.Open(fla, RwkvNaming.Fla7));
        Assert.Equal("FL002", error.Code);
        Assert.Contains($"'{at}x_w' and '{at}x_x' are both blocks.1.att.x_w", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_mixes_of_6_change_their_order()
    {
        using MemoryTensors official = Official6(), fla = MemoryTensors.Of(FlaWriter.Tensors(official, RwkvNaming.Fla6));
        const string at = "model.layers.0.attn.", from = "blocks.0.att.time_maa_";
        string fused = "wkvrg", other = "rwkvg";
        Assert.Equal([5L, C], fla.Tensors[at + "x_bias"].Shape);
        Assert.Equal([5L * D, C], fla.Tensors[at + "x_proj.0.linear.weight"].Shape);
        Assert.Equal([C, 5L * D], fla.Tensors[at + "x_proj.2.weight"].Shape);
        foreach (char mix in fused)
        {
            int n = fused.IndexOf(mix, StringComparison.Ordinal), m = other.IndexOf(mix, StringComparison.Ordinal);
            for (int c = 0; c < C; c++)
            {
                Assert.Equal(Bits(official, from + mix, c), Bits(fla, at + "x_bias", m * C + c));
                for (int d = 0; d < D; d++)
                {
                    Assert.Equal(Bits(official, from + "w1", c * 5 * D + n * D + d), Bits(fla, at + "x_proj.0.linear.weight", (m * D + d) * C + c));
                    Assert.Equal(Bits(official, from + "w2", (n * D + d) * C + c), Bits(fla, at + "x_proj.2.weight", c * 5 * D + m * D + d));
                }
            }
        }
        using FlaTensors back = FlaTensors.Open(fla, RwkvNaming.Fla6);
        AssertSame(official, back);
    }

    [Fact]
    public void Nothing_is_read_before_it_is_asked_for_and_transposed_tensors_once()
    {
        using MemoryTensors fla = MemoryTensors.Of(FlaWriter.Tensors(Official6(), RwkvNaming.Fla6));
        using FlaTensors back = FlaTensors.Open(fla, RwkvNaming.Fla6);
        Assert.Empty(fla.ReadNames);
        byte[] piece = new byte[4];
        for (int i = 0; i < 6; i++)
            back.Read("blocks.0.att.time_maa_w2", 4 * i, piece);
        Assert.Equal(["model.layers.0.attn.x_proj.2.weight"], fla.ReadNames);
        Assert.Equal("TS001", Assert.Throws<ModelFileException>(() => back.Read("blocks.0.att.time_maa_w3", 0, piece)).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => back.Read("blocks.0.att.time_maa_w2", 4 * 5 * D * C - 3, piece)).Code);
        Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => back.Read("blocks.0.att.time_maa_w2", -1, piece)).Code);
    }

    [Theory]
    [InlineData("model.layers.0.attn.q_proj.weight")]
    [InlineData("model.layers.0.attn.key.weight")]
    [InlineData("model.layers.01.attn.r_k")]
    [InlineData("model.layers.-1.attn.r_k")]
    [InlineData("model.layers.x.attn.r_k")]
    [InlineData("model.layers.0")]
    [InlineData("blocks.0.att.r_k")]
    [InlineData("emb.weight")]
    [InlineData("model.layers.0.ffn.s_emb.weight")]
    public void Leftovers_are_refused_by_name(string name)
    {
        using MemoryTensors fla = MemoryTensors.Of(FlaWriter.Tensors(Official7(), RwkvNaming.Fla7)).Add(name, 2, 4);
        ModelFileException error = Assert.Throws<ModelFileException>(() => FlaTensors.Open(fla, RwkvNaming.Fla7));
        Assert.Equal("FL001", error.Code);
        Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.layers.0.attn.w_lora.lora.0.weight", new long[] { 2, 8, 1 })]
    [InlineData("model.layers.0.attn.k_k", new long[] { 8, 1 })]
    [InlineData("model.layers.0.attn.x_x", new long[] { 5, 8 })]
    public void Shapes_that_are_not_RWKVs(string name, long[] shape)
    {
        using MemoryTensors fla = MemoryTensors.Of(FlaWriter.Tensors(Official7(), RwkvNaming.Fla7));
        if (fla.Tensors.ContainsKey(name))
            fla.Remove(name);
        Assert.Equal("FL003", Assert.Throws<ModelFileException>(() => FlaTensors.Open(fla.Add(name, shape), RwkvNaming.Fla7)).Code);
    }

    [Fact]
    public void What_cannot_be_written_is_refused()
    {
        Assert.Equal("FL003", Refused(Official6().Remove("blocks.0.att.time_maa_w1").Add("blocks.0.att.time_maa_w1", C, 7)));
        Assert.Equal("FL003", Refused(Official6().Remove("blocks.0.att.time_decay").Add("blocks.0.att.time_decay", C)));
        Assert.Equal("FL003", Refused(Official6().Remove("blocks.0.att.time_maa_k").Add("blocks.0.att.time_maa_k", 1, 1, C + 1)));
        Assert.Equal("FL004", Refused(Official6().Remove("blocks.0.att.time_maa_k")));
        Assert.Equal("FL004", Refused(Official6().Remove("blocks.0.att.time_maa_r")));
        Assert.Equal("FL004", Refused(Official6().Add("blocks.0.att.x_r", 1, 1, C)));

        static string Refused(MemoryTensors official) => Assert.Throws<ModelFileException>(() => FlaWriter.Tensors(official, RwkvNaming.Fla6)).Code;
    }

    private static void AssertSame(ITensorSource expected, ITensorSource got)
    {
        Assert.Equal(expected.Tensors.Keys.Order(StringComparer.Ordinal), got.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (TensorInfo info in expected.Tensors.Values)
        {
            Assert.Equal((info.DType, info.ShapeText, info.ByteLength), (got.Tensors[info.Name].DType, got.Tensors[info.Name].ShapeText, got.Tensors[info.Name].ByteLength));
            Assert.Equal(Bytes(expected, info.Name), Bytes(got, info.Name));
        }
    }

    private static byte[] Bytes(ITensorSource source, string name)
    {
        byte[] bytes = new byte[source.Require(name).ByteLength];
        source.Read(name, 0, bytes);
        return bytes;
    }

    private static int Bits(MemoryTensors source, string name, int element) => BitConverter.SingleToInt32Bits(source.Floats(name)[element]);

    private static MemoryTensors Official7()
    {
        var made = new MemoryTensors().Add("emb.weight", 5, C).Add("head.weight", 5, C).Add("ln_out.weight", C).Add("ln_out.bias", C).Add("blocks.0.ln0.weight", C).Add("blocks.0.ln0.bias", C);
        for (int i = 0; i < 2; i++)
        {
            string at = $"blocks.{i}.";
            foreach (string norm in new[] { "ln1", "ln2", "att.ln_x" })
                made.Add($"{at}{norm}.weight", C).Add($"{at}{norm}.bias", C);
            foreach (char c in "rwkvag")
                made.Add($"{at}att.x_{c}", 1, 1, C);
            foreach (char c in i == 0 ? "wa" : "wav")
                made.Add($"{at}att.{c}0", 1, 1, C).Add($"{at}att.{c}1", C, D).Add($"{at}att.{c}2", D, C);
            made.Add($"{at}att.g1", C, D).Add($"{at}att.g2", D, C).Add($"{at}att.k_k", 1, 1, C).Add($"{at}att.k_a", 1, 1, C).Add($"{at}att.r_k", 2, C / 2);
            foreach (string projection in new[] { "receptance", "key", "value", "output" })
                made.Add($"{at}att.{projection}.weight", C, C);
            made.Add($"{at}ffn.x_k", 1, 1, C).Add($"{at}ffn.key.weight", 2 * C, C).Add($"{at}ffn.value.weight", C, 2 * C);
        }
        return made;
    }

    private static MemoryTensors Official6()
    {
        var made = new MemoryTensors().Add("emb.weight", 5, C);
        const string at = "blocks.0.att.";
        foreach (char c in "xwkvrg")
            made.Add($"{at}time_maa_{c}", 1, 1, C);
        return made.Add($"{at}time_maa_w1", C, 5 * D).Add($"{at}time_maa_w2", 5, D, C).Add($"{at}time_decay", 1, 1, C).Add($"{at}time_decay_w1", C, 3)
            .Add($"{at}time_decay_w2", 3, C).Add($"{at}time_faaaa", 2, C / 2).Add($"{at}gate.weight", C, C).Add("blocks.0.ffn.time_maa_r", 1, 1, C).Add("blocks.0.ffn.receptance.weight", C, C);
    }
}
