using Marrow.Adapters.Converting;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Tests;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>What one kind of file says, the others say too: the converted adapter computes the same logits, and the way back gives the same bytes.</summary>
public sealed class ConversionTests
{
    private static readonly LoraConfig Mixed = new()
    {
        R = 4, LoraAlpha = 6, Targets = new() { TargetModules = new(".*(q_proj|down_proj|k_proj|att\\.key|ffn\\.value)") }, RankPattern = new([("q_proj", 3), ("ffn.value", 5)]), AlphaPattern = new([("down_proj", 8), ("att.key", 8)]),
    };

    public static TheoryData<string, string, bool> Pairs()
    {
        var data = new TheoryData<string, string, bool>();
        foreach (string family in new[] { "llama", "rwkv7", "rwkv6" })
        {
            foreach (string kind in AdapterKinds.All.Select(k => k.Name).Where(k => k != "rwkv-peft" || family != "llama"))
            {
                data.Add(family, kind, false);
                data.Add(family, kind, true);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Lora_goes_to_every_kind_and_back(string family, string kind, bool byRoot)
    {
        using var fixture = new AdapterFixture(family);
        float[] logits = fixture.Make("lora", Mixed with { UseRslora = byRoot });
        string name = "out" + AdapterFixture.Kind(kind).Ending;
        AdapterConversionReport there = fixture.Convert("lora", name, kind);
        Assert.True(there.Exactness != Exactness.Approximate);
        Assert.InRange(TinyLlama.LargestDifference(logits, fixture.Logits(name, kind == "rwkv-peft" ? there.Alpha : null)), 0, 1e-5f);
        AdapterConversionReport back = fixture.Convert(name, "back", "peft", alpha: kind == "rwkv-peft" ? there.Alpha : null);
        Assert.Equal(kind, back.From[0]);
        Assert.InRange(TinyLlama.LargestDifference(logits, fixture.Logits("back")), 0, 1e-5f);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void One_rank_and_scale_are_renamed_only(string family, string kind, bool narrow)
    {
        using var fixture = new AdapterFixture(family);
        float[] logits = fixture.Make("lora", new LoraConfig { R = 4, LoraAlpha = 6, Targets = new() { TargetModules = new("all-linear") } });
        if (narrow)
            Narrow(fixture, "lora");
        string name = "out" + AdapterFixture.Kind(kind).Ending;
        AdapterConversionReport there = fixture.Convert("lora", name, kind);
        Assert.Equal(Exactness.Exact, there.Exactness);
        fixture.Convert(name, "back", "peft", alpha: kind == "rwkv-peft" ? there.Alpha : null);
        AssertSame(fixture.Folder["lora", PeftFolder.TensorFile], fixture.Folder["back", PeftFolder.TensorFile]);
        if (!narrow)
            Assert.InRange(TinyLlama.LargestDifference(logits, fixture.Logits(name, kind == "rwkv-peft" ? there.Alpha : null)), 0, 1e-6f);
    }

    /// <summary>Every size from one upward, odd and even, ranks above the sides among them: the way there and back gives the same bytes.</summary>
    [Fact]
    public void Sizes_of_every_kind_come_back()
    {
        var random = new SeededRandom(77, 0);
        int Pick(int least, int most) => least + (int)(random.NextDouble() * (most - least + 1));
        for (int round = 0; round < 12; round++)
        {
            int heads = Pick(1, 3), dim = 2 * Pick(1, 4), hidden = Pick(1, 37), ffn = Pick(1, 41);
            using var fixture = new AdapterFixture(d => TinyLlama.Create(d, TinyLlama.Config() with { HiddenSize = hidden, IntermediateSize = ffn, HeadCount = heads, KeyValueHeadCount = 1, HeadDim = dim }));
            var config = new LoraConfig { R = Pick(1, 45), LoraAlpha = Pick(1, 9), Targets = new() { TargetModules = new("all-linear") } };
            fixture.Make("lora", config);
            fixture.Make("bone", new MissConfig { R = Pick(1, 45), Targets = config.Targets });
            float[] bone = fixture.Logits("bone");
            foreach (AdapterKind kind in AdapterKinds.All.Where(k => k.Name != "rwkv-peft"))
            {
                string shape = $"{hidden} {ffn} {heads}x{dim} r {config.R} {kind.Name}", name = $"x{kind.Ending}";
                Assert.True(fixture.Convert("lora", name, kind.Name).Exactness == Exactness.Exact, shape);
                fixture.Convert(name, "back", "peft");
                AssertSame(fixture.Folder["lora", PeftFolder.TensorFile], fixture.Folder["back", PeftFolder.TensorFile]);
                Assert.True(fixture.Convert("bone", name, kind.Name, r => r with { AsLora = true }).Exactness == Exactness.Exact, shape);
                Assert.True(TinyLlama.LargestDifference(bone, fixture.Logits(name)) < 1e-4f, shape);
            }
        }
    }

    public static TheoryData<string, AdapterConfig> Blocks => new()
    {
        { "llama", new MissConfig { R = 4 } }, { "llama", new MissConfig { R = 7 } }, { "llama", new MissConfig { R = 1 } }, { "llama", new MissConfig { R = 40 } },
        { "llama", new MissMiniConfig { R = 5, MiniR = 2, Targets = new() { TargetModules = new("q_proj", "down_proj") } } },
        { "rwkv7", new MissConfig { R = 5 } }, { "rwkv6", new MissConfig { R = 8 } },
    };

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Bone_is_lora_exactly(string family, AdapterConfig config)
    {
        using var fixture = new AdapterFixture(family);
        if (config.Targets.TargetModules is null)
            config = config with { Targets = new() { TargetModules = new("all-linear") } };
        float[] logits = fixture.Make("bone", config);
        foreach (AdapterKind kind in AdapterKinds.All.Where(k => k.Name != "rwkv-peft" || family != "llama"))
        {
            string name = "out" + kind.Ending;
            AdapterConversionReport report = fixture.Convert("bone", name, kind.Name, r => r with { AsLora = true });
            Assert.Equal(Exactness.Exact, report.Exactness);
            Assert.InRange(TinyLlama.LargestDifference(logits, fixture.Logits(name, kind.Name == "rwkv-peft" ? report.Alpha : null)), 0, 2e-5f);
        }
    }

    [Fact]
    public void Methods_stay_where_the_target_has_them()
    {
        using var fixture = new AdapterFixture("rwkv7");
        foreach (AdapterConfig config in new AdapterConfig[] { new MissConfig { R = 5 }, new BatRowConfig { R = 4 }, new StateConfig() })
        {
            float[] logits = fixture.Make("a", config with { Targets = config.AdaptsLayers ? new() { TargetModules = new("key", "receptance") } : config.Targets });
            AdapterConversionReport there = fixture.Convert("a", "b.pth", "rwkv-peft");
            Assert.Equal(Exactness.Exact, there.Exactness);
            Assert.Equal(logits, fixture.Logits("b.pth"));
            fixture.Convert("b.pth", "c", "peft");
            Assert.Equal(logits, fixture.Logits("c"));
            AssertSame(fixture.Folder["a", PeftFolder.TensorFile], fixture.Folder["c", PeftFolder.TensorFile]);
        }
    }

    [Fact]
    public void Modules_trained_whole_go_along_or_are_refused_by_name()
    {
        using var fixture = new AdapterFixture("rwkv7");
        float[] logits = fixture.Make("a", new LoraConfig { R = 2, LoraAlpha = 4, Targets = new() { TargetModules = new(["key"]), ModulesToSave = ["head", "ln1"] } });
        AdapterConversionReport report = fixture.Convert("a", "b.pth", "rwkv-peft");
        Assert.Contains("blocks.0.ln1.weight", report.Carried);
        Assert.Contains(report.Warnings, w => w.Contains("lora_alpha", StringComparison.Ordinal));
        Assert.Equal(logits, fixture.Logits("b.pth", 4));
        fixture.Convert("b.pth", "c", "peft", alpha: 4);
        Assert.Equal(logits, fixture.Logits("c"));
        foreach (string kind in new[] { "mlx", "kohya" })
            Assert.Contains("ln1", fixture.Refused("a", "x" + AdapterFixture.Kind(kind).Ending, kind, "AC005").Message, StringComparison.Ordinal);
        // A part of a module, and a mix that is no module's.
        fixture.Make("d.pth", new LoraConfig { R = 2, LoraAlpha = 4, Targets = new() { TargetModules = new(["key"]), ModulesToSave = ["blocks.0.ln1.bias", "x_r"] } });
        fixture.Refused("d.pth", "x", "peft", "AC005", alpha: 4);
    }

    [Fact]
    public void Rwkv_peft_files_are_what_its_merge_script_can_take()
    {
        using var fixture = new AdapterFixture("rwkv7");
        fixture.Make("lora", new LoraConfig { R = 3, LoraAlpha = 4, UseRslora = true, Targets = new() { TargetModules = new(["key"]) } });
        Assert.Contains(fixture.Convert("lora", "x.pth", "rwkv-peft").Warnings, w => w.Contains("--alpha 7", StringComparison.Ordinal));
        Assert.DoesNotContain(fixture.Convert("lora", "x.pth", "rwkv-peft", r => r with { Alpha = 7 }).Warnings, w => w.Contains("--alpha 7", StringComparison.Ordinal));
        // A and B are multiplied with each other there, so they have one type also where a scale made B wider.
        Narrow(fixture, "lora");
        fixture.Convert("lora", "n.pth", "rwkv-peft", r => r with { Alpha = 7 });
        using (PthFile file = PthFile.Open(fixture.Folder["n.pth"]))
            Assert.All(file.Tensors.Values, t => Assert.Equal(DType.F32, t.DType));
        // A weight that is replaced and adapted at once.
        string folder = fixture.Folder["both"];
        Directory.CreateDirectory(folder);
        File.WriteAllText(fixture.Folder["both", PeftConfig.FileName], """{"peft_type":"LORA","r":2}""");
        const string Key = "base_model.model.blocks.0.att.key";
        SafetensorsWriter.Write(fixture.Folder["both", PeftFolder.TensorFile], new (string Name, int Rows, int Columns)[] { (Key + ".lora_A.weight", 2, 24), (Key + ".lora_B.weight", 24, 2), (Key + ".base_layer.weight", 24, 24) }
            .Select(t => TensorToWrite.FromFloats(t.Name, [t.Rows, t.Columns], new float[t.Rows * t.Columns])));
        Assert.Contains("base_layer", fixture.Refused("both", "y.pth", "rwkv-peft", "AC005").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_no_lora_can_be_is_refused_with_the_ways_out()
    {
        using var fixture = new AdapterFixture("rwkv7");
        fixture.Make("bat", new BatConfig { R = 4, Targets = new() { TargetModules = new(["key"]) } });
        fixture.Make("row.pth", new BatRowConfig { R = 4, Targets = new() { TargetModules = new(["att.key"]) } });
        fixture.Make("state.pth", new StateConfig());
        foreach (AdapterKind kind in AdapterKinds.All.Where(k => k.Name is not "peft"))
        {
            string message = fixture.Refused("bat", "x" + kind.Ending, kind.Name, "AC004").Message;
            Assert.Contains("merge", message, StringComparison.Ordinal);
            Assert.Contains("--approximate", message, StringComparison.Ordinal);
        }
        fixture.Refused("row.pth", "x.safetensors", "kohya", "AC004");
        fixture.Refused("bat", "x", "peft", "AC004", r => r with { AsLora = true });
        fixture.Refused("state.pth", "x", "mlx", "AC005");
        fixture.Refused("bat", "x.safetensors", "kohya", "AC001", r => r with { Output = fixture.Folder["x.bin"] });
        fixture.Refused("bat", "x.safetensors", "kohya", "AC001", r => r with { Alpha = 0 });
        fixture.Refused("bat", "x", "peft", "IO007", r => r with { Output = r.Inputs[0].Path + "/" });
        // A folder is replaced whole, so that only an adapter's may be.
        string kept = fixture.Folder["kept", "config.json"];
        Directory.CreateDirectory(fixture.Folder["kept"]);
        File.WriteAllText(kept, "{}");
        fixture.Refused("bat", "x", "peft", "IO009", r => r with { Output = fixture.Folder["kept"] });
        fixture.Refused("bat", "x", "peft", "IO009", r => r with { Output = fixture.Folder[""] });
        Assert.True(File.Exists(kept));
        fixture.Make("other", new LoraConfig { R = 2 });
        File.WriteAllText(fixture.Folder["other", "results.txt"], "mine");
        fixture.Refused("bat", "x", "peft", "IO009", r => r with { Output = fixture.Folder["other"] });
    }

    [Fact]
    public void The_base_is_asked_for_where_it_is_needed()
    {
        using var fixture = new AdapterFixture("llama");
        fixture.Make("bone", new MissConfig { R = 4 });
        fixture.Make("lora", new LoraConfig { R = 4 });
        Assert.Contains("--model", fixture.Refused("bone", "x.safetensors", "kohya", "AC006", r => r with { Model = null }).Message, StringComparison.Ordinal);
        // Without it names are those of the usual models.
        fixture.Convert("lora", "k.safetensors", "kohya", r => r with { Model = null });
        fixture.Convert("k.safetensors", "back", "peft", r => r with { Model = null });
        AssertSame(fixture.Folder["lora", PeftFolder.TensorFile], fixture.Folder["back", PeftFolder.TensorFile]);
        using var other = new AdapterFixture("rwkv7");
        Assert.Contains("self_attn", other.Refused("x", "y", "peft", "AC007", r => r with { Inputs = [new(fixture.Folder["lora"])] }).Message, StringComparison.Ordinal);
        using var larger = new AdapterFixture(d => TinyLlama.Create(d, TinyLlama.Config(hidden: 28)));
        Assert.Contains("[12,28]", larger.Refused("x", "y", "peft", "AC008", r => r with { Inputs = [new(fixture.Folder["lora"])] }).Message, StringComparison.Ordinal);
        fixture.Refused("lora", "x.pth", "rwkv-peft", "AC004");
    }

    private static void Narrow(AdapterFixture fixture, string name)
    {
        string path = fixture.Folder[name, PeftFolder.TensorFile];
        byte[] bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path + ".old", bytes);
        using (SafetensorsFile file = SafetensorsFile.Open(path + ".old"))
            SafetensorsWriter.Write(path, [.. file.Tensors.Values.Select(t => TensorToWrite.FromFloats(t.Name, t.Shape, file.ReadFloats(t.Name), t.Name.Contains("key", StringComparison.Ordinal) ? DType.F16 : DType.BF16))]);
        File.Delete(path + ".old");
    }

    private static void AssertSame(string expected, string path)
    {
        using SafetensorsFile a = SafetensorsFile.Open(expected), b = SafetensorsFile.Open(path);
        Assert.Equal(a.Tensors.Keys.Order(), b.Tensors.Keys.Order());
        foreach (TensorInfo info in a.Tensors.Values)
        {
            Assert.Equal(info.DType, b.Tensors[info.Name].DType);
            Assert.Equal(info.Shape, b.Tensors[info.Name].Shape);
            byte[] x = new byte[info.ByteLength], y = new byte[info.ByteLength];
            a.Read(info.Name, 0, x);
            b.Read(info.Name, 0, y);
            Assert.Equal(x, y);
        }
    }
}
