using Marrow.Adapters.Converting;
using Marrow.Adapters.Converting.Combining;
using Marrow.Adapters.Methods;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>Several adapters made one: exact sums, PEFT's rules on numbers worked out by hand, and what cannot be combined.</summary>
public sealed class CombinationTests : IDisposable
{
    private readonly AdapterFixture _fixture = new("llama");

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("peft")]
    [InlineData("gguf-lora")]
    [InlineData("mlx")]
    [InlineData("kohya")]
    public void Cat_is_the_sum_of_the_changes(string kind)
    {
        _fixture.Make("a", new LoraConfig { R = 3, LoraAlpha = 5, UseRslora = true, Targets = new() { TargetModules = new(["q_proj", "up_proj"]) } });
        _fixture.Make("b", new LoraConfig { R = 2, LoraAlpha = 7, Targets = new() { TargetModules = new(["q_proj", "o_proj"]) } });
        _fixture.Make("c", new MissConfig { R = 5, Targets = new() { TargetModules = new(["up_proj"]) } });
        string name = "sum" + AdapterFixture.Kind(kind).Ending;
        AdapterInput[] inputs = [new(_fixture.Folder["a"], 0.7), new(_fixture.Folder["b"], -1.5), new(_fixture.Folder["c"], 2)];
        _fixture.Convert("a", name, kind, r => r with { Inputs = inputs });
        Dictionary<string, double[]> sum = [];
        foreach (AdapterInput input in inputs)
            foreach ((string module, double[] change) in Changes(input.Path))
                sum[module] = [.. change.Select((v, i) => v * input.Weight + (sum.TryGetValue(module, out double[]? s) ? s[i] : 0))];
        Dictionary<string, double[]> got = Changes(_fixture.Folder[name]);
        Assert.Equal(sum.Keys.Order(), got.Keys.Order());
        foreach ((string module, double[] change) in sum)
            Assert.InRange(change.Zip(got[module], (x, y) => Math.Abs(x - y)).Max(), 0, 1e-6);
        Assert.All(_fixture.Logits(name), v => Assert.True(float.IsFinite(v)));
    }

    [Fact]
    public void One_adapter_can_be_weighted()
    {
        _fixture.Make("a", new LoraConfig { R = 3, LoraAlpha = 6 });
        _fixture.Make("bone", new MissConfig { R = 3 });
        foreach (string name in new[] { "a", "bone" })
        {
            AdapterConversionReport report = _fixture.Convert(name, name + "2", "peft", r => r with { Inputs = [new(r.Inputs[0].Path, -0.5)] });
            Assert.Equal(Exactness.Exact, report.Exactness);
            Dictionary<string, double[]> was = Changes(_fixture.Folder[name]);
            foreach ((string module, double[] change) in Changes(_fixture.Folder[name + "2"]))
                Assert.InRange(change.Zip(was[module], (x, y) => Math.Abs(x + 0.5 * y)).Max(), 0, 1e-7);
        }
    }

    [Theory]
    [InlineData("peft")]
    [InlineData("gguf-lora")]
    public void Bones_of_one_size_stay_bone(string kind)
    {
        _fixture.Make("a", new MissConfig { R = 5, Targets = new() { TargetModules = new(["q_proj", "up_proj"]) } });
        _fixture.Make("b", new MissConfig { R = 5, Targets = new() { TargetModules = new(["up_proj", "q_proj", "v_proj"]) } });
        string name = "sum" + AdapterFixture.Kind(kind).Ending;
        AdapterConversionReport report = _fixture.Convert("a", name, kind, r => r with { Inputs = [new(_fixture.Folder["a"], 0.5), new(_fixture.Folder["b"], -2)] });
        Assert.All(report.Layers, l => Assert.True(l.Rank == 5 && l.From.StartsWith("Bone", StringComparison.Ordinal)));
        Dictionary<string, double[]> a = Changes(_fixture.Folder["a"]), b = Changes(_fixture.Folder["b"]), sum = Changes(_fixture.Folder[name]);
        Assert.Equal(b.Keys.Order(), sum.Keys.Order());
        foreach ((string module, double[] change) in sum)
            Assert.InRange(change.Select((v, i) => Math.Abs(v - (-2 * b[module][i] + (a.TryGetValue(module, out double[]? x) ? 0.5 * x[i] : 0)))).Max(), 0, 1e-6);
        _fixture.Logits(name);
    }

    [Fact]
    public void Svd_is_the_best_of_its_rank_for_the_sum()
    {
        _fixture.Make("a", new LoraConfig { R = 3, LoraAlpha = 6 });
        _fixture.Make("b", new LoraConfig { R = 2, LoraAlpha = 2 });
        AdapterConversionReport Run(int? rank, string output) => _fixture.Convert("a", output, "peft", r => r with
        {
            Inputs = [new(_fixture.Folder["a"]), new(_fixture.Folder["b"], 0.5)], Combination = new() { Method = CombinationMethod.Svd, Rank = rank },
        });
        AdapterConversionReport all = Run(null, "five"), some = Run(2, "two");
        Assert.InRange(all.RelativeError!.Value, 0, 1e-6);
        Assert.All(all.Layers, l => Assert.Equal(3, l.Rank));
        Assert.All(some.Layers, l => Assert.Equal(2, l.Rank));
        _fixture.Convert("a", "cat", "peft", r => r with { Inputs = [new(_fixture.Folder["a"]), new(_fixture.Folder["b"], 0.5)] });
        Dictionary<string, double[]> sum = Changes(_fixture.Folder["cat"]), five = Changes(_fixture.Folder["five"]), two = Changes(_fixture.Folder["two"]);
        double misses = 0, squares = 0, rounding = 0;
        foreach ((string module, double[] change) in sum)
        {
            Assert.InRange(change.Zip(five[module], (x, y) => Math.Abs(x - y)).Max(), 0, 1e-6);
            rounding += change.Zip(five[module], (x, y) => (x - y) * (x - y)).Sum();
            misses += change.Zip(two[module], (x, y) => (x - y) * (x - y)).Sum();
            squares += change.Sum(x => x * x);
        }
        Assert.Equal(Math.Sqrt(misses / squares), some.RelativeError!.Value, 1e-6);
        Assert.InRange(some.RelativeError.Value, 0.01, 0.9);
        // What is left of a full rank is the rounding of the written factors, and no less.
        Assert.InRange(all.RelativeError.Value / Math.Sqrt(rounding / squares), 0.99, 1.01);
    }

    [Fact]
    public void Changes_too_large_to_be_made_whole_are_refused_by_name()
    {
        static AdapterMatrix Zeros(int rows, int columns) => new(rows, columns, DType.F32, () => new float[rows * columns]);
        var layer = new LowRankLayer("model.embed_tokens", Zeros(1, (1 << 15) + 1), Zeros(1 << 14, 1), new(1)) { IsEmbedding = true };
        var refused = Assert.Throws<MarrowException>(() => new AdapterCombination(new() { Method = CombinationMethod.TiesSvd, Density = 0.5 }).Combine([(new AdapterContents([layer], []), 1)]));
        Assert.Equal("AC002", refused.Code);
        Assert.Contains("model.embed_tokens", refused.Message, StringComparison.Ordinal);
        Assert.Contains("[16384,32769]", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rules_are_pefts()
    {
        double[] Combined(Combination how, params double[][] tensors) => TaskTensors.Combine([.. tensors.Select(t => t.ToArray())], [2, 1, -1], how, 0);
        double[] a = [4, -1, 0.5, 0, 3, -2], b = [-1, -5, 2, 0, 1, 2], c = [1, 2, 3, 0, -9, 0.5];
        // 2a + b − c.
        AssertEqual([6, -9, 0, 0, 16, -2.5], Combined(new() { Method = CombinationMethod.Linear }, a, b, c));
        // Half of each: 4, 3 and −2 of a, −5 and both twos of b, 2, 3 and −9 of c.
        AssertEqual([8, -7, -1, 0, 15, -2], Combined(new() { Method = CombinationMethod.MagnitudePrune, Density = 0.5 }, a, b, c));
        // Signs by the sums 4, −3, 5, 0, −6 and 0; the weighted values that agree are averaged.
        AssertEqual([8, -5, -0.5, 0, 9, 2], Combined(new() { Method = CombinationMethod.Ties, Density = 0.5 }, a, b, c));
        double[] everything = Combined(new() { Method = CombinationMethod.Ties, Density = 1, SignsByCount = true }, a, b, c);
        // By count: + − + + + +.
        AssertEqual([(8 - 1) / 2.0, (-2 - 5) / 2.0, (1 + 2 - 3) / 3.0, 0, (6 + 1) / 2.0, (2 - 0.5) / 2], everything);
        AssertEqual(Combined(new() { Method = CombinationMethod.Linear }, a, b, c), Combined(new() { Method = CombinationMethod.DareLinear, Density = 1 }, a, b, c));
        AssertEqual(Combined(new() { Method = CombinationMethod.Ties, Density = 1 }, a, b, c), Combined(new() { Method = CombinationMethod.DareTies, Density = 1 }, a, b, c));
        double[] ones = [.. Enumerable.Repeat(1.0, 20_000)];
        double[] dropped = TaskTensors.Combine([[.. ones]], [1], new() { Method = CombinationMethod.DareLinear, Density = 0.25, Seed = 1 }, 0), again = TaskTensors.Combine([[.. ones]], [1], new() { Method = CombinationMethod.DareLinear, Density = 0.25, Seed = 1 }, 0);
        Assert.Equal(dropped, again);
        Assert.Equal([0, 4], dropped.Distinct().Order());
        Assert.InRange(dropped.Average(), 0.95, 1.05);
        Assert.NotEqual(dropped, TaskTensors.Combine([[.. ones]], [1], new() { Method = CombinationMethod.DareLinear, Density = 0.25, Seed = 2 }, 0));
    }

    [Theory]
    [InlineData(CombinationMethod.Linear)]
    [InlineData(CombinationMethod.Ties)]
    [InlineData(CombinationMethod.DareLinear)]
    [InlineData(CombinationMethod.DareTies)]
    [InlineData(CombinationMethod.MagnitudePrune)]
    [InlineData(CombinationMethod.TiesSvd)]
    [InlineData(CombinationMethod.DareTiesSvd)]
    [InlineData(CombinationMethod.DareLinearSvd)]
    [InlineData(CombinationMethod.MagnitudePruneSvd)]
    public void Every_method_writes_an_adapter(CombinationMethod method)
    {
        _fixture.Make("a", new LoraConfig { R = 3, LoraAlpha = 6 });
        _fixture.Make("b", new LoraConfig { R = 3, LoraAlpha = 3, Targets = new() { TargetModules = new(["q_proj", "gate_proj"]) } });
        var how = new Combination { Method = method, Density = method == CombinationMethod.Linear ? null : 0.5, Seed = 4 };
        AdapterConversionReport report = _fixture.Convert("a", "x", "peft", r => r with { Inputs = [.. r.Inputs, new(_fixture.Folder["b"], -0.5)], Combination = how });
        Assert.Equal(6, report.Layers.Count);
        Assert.All(report.Layers, l => Assert.Equal(3, l.Rank));
        _fixture.Logits("x");
        if (method != CombinationMethod.Linear)
            return;
        // A' = √2·A − √½·A₂ and B' = √2·B + √½·B₂, with a scale of 1.
        LowRankLayer Layer(string name)
        {
            using AdapterDocument document = new PeftKind().Open(_fixture.Folder[name]);
            var layer = (LowRankLayer)document.Read(null).Layers.Single(l => l.Module == "model.layers.1.self_attn.q_proj");
            float[] a = layer.A.Read(), b = layer.B.Read();
            return layer with { A = AdapterMatrix.Of(layer.A.Rows, layer.A.Columns, a), B = AdapterMatrix.Of(layer.B.Rows, layer.B.Columns, b) };
        }
        LowRankLayer first = Layer("a"), second = Layer("b"), sum = Layer("x");
        Assert.Equal(1, sum.Factor);
        Assert.Equal(Math.Sqrt(2) * first.A.Read()[7] - Math.Sqrt(0.5) * second.A.Read()[7], sum.A.Read()[7], 1e-6);
        Assert.Equal(Math.Sqrt(2) * first.B.Read()[7] + Math.Sqrt(0.5) * second.B.Read()[7], sum.B.Read()[7], 1e-6);
    }

    [Fact]
    public void What_cannot_be_combined_is_refused()
    {
        _fixture.Make("a", new LoraConfig { R = 3 });
        _fixture.Make("b", new LoraConfig { R = 2 });
        _fixture.Make("bat", new BatConfig { R = 4 });
        _fixture.Make("saved", new LoraConfig { R = 2, Targets = new() { TargetModules = new(["q_proj"]), ModulesToSave = ["lm_head"] } });
        void Refused(string code, Combination how, params (string Name, double Weight)[] inputs) =>
            _fixture.Refused("a", "x", "peft", code, r => r with { Combination = how, Inputs = [.. inputs.Select(i => new AdapterInput(_fixture.Folder[i.Name], i.Weight))] });
        Refused("AC011", new() { Method = CombinationMethod.Linear }, ("a", 1), ("b", 1));
        Refused("AC011", new() { Method = CombinationMethod.Ties }, ("a", 1), ("a", 1));
        Refused("AC011", new() { Method = CombinationMethod.Ties, Density = 1.5 }, ("a", 1), ("a", 1));
        Refused("AC011", new() { Density = 0.5 }, ("a", 1), ("a", 1));
        Refused("AC011", new(), ("a", 1), ("bat", 1));
        Refused("AC011", new(), ("bat", 2));
        Refused("AC011", new(), ("saved", 2));
        Refused("AC011", new(), ("saved", 1), ("saved", 1));
        Refused("AC011", new(), ("a", 1), ("saved", 0.5));
        Refused("AC001", new(), ("a", double.NaN));
        Refused("AC001", new());
        _fixture.Convert("a", "x", "peft", r => r with { Inputs = [new(_fixture.Folder["a"], 0.5), new(_fixture.Folder["saved"])] });
        _fixture.Logits("x");
    }

    private Dictionary<string, double[]> Changes(string path)
    {
        var model = new BaseWeights(_fixture.Files);
        using AdapterDocument document = AdapterKinds.Of(path).Open(path);
        Dictionary<string, double[]> changes = [];
        foreach (AdaptedModule layer in document.Read(model).Layers)
        {
            LowRankLayer low = layer as LowRankLayer ?? BlockLora.Of((BlockLayer)layer, model);
            double[] a = low.A.ReadDoubles(), b = low.B.ReadDoubles();
            var change = new double[low.B.Rows * low.A.Columns];
            for (int i = 0; i < change.Length; i++)
                for (int k = 0; k < low.Rank; k++)
                    change[i] += low.Factor * b[i / low.A.Columns * low.Rank + k] * a[k * low.A.Columns + i % low.A.Columns];
            changes.Add(layer.Module, change);
        }
        return changes;
    }

    private static void AssertEqual(double[] want, double[] got)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
            Assert.Equal(want[i], got[i], 1e-12);
    }
}
