using Marrow.Adapters.Converting;
using Marrow.Adapters.Converting.Combining;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>Adapters of different models, and values that a combination would lose.</summary>
public sealed class CommonBaseTests : IDisposable
{
    private readonly AdapterFixture _fixture = new("llama");

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData(CombinationMethod.Cat)]
    [InlineData(CombinationMethod.Linear)]
    [InlineData(CombinationMethod.Svd)]
    public void Sizes_that_differ_are_told_without_the_base(CombinationMethod method)
    {
        using var larger = new AdapterFixture(d => TinyLlama.Create(d, TinyLlama.Config(hidden: 28)));
        _fixture.Make("lora", new LoraConfig { R = 2 });
        larger.Make("lora", new LoraConfig { R = 2 });
        _fixture.Make("bone", new MissConfig { R = 4, Targets = new() { TargetModules = new(["o_proj"]) } });
        larger.Make("bone", new MissConfig { R = 4, Targets = new() { TargetModules = new(["o_proj"]) } });
        foreach ((string name, string sizes) in new[] { ("lora", "24 inputs and 12 outputs"), ("bone", "24 outputs") })
        {
            string message = _fixture.Refused(name, "x", "peft", "AC011", r => r with { Model = null, Inputs = [.. r.Inputs, new(larger.Folder[name])], Combination = new() { Method = method } }).Message;
            Assert.Contains(sizes, message, StringComparison.Ordinal);
            Assert.Contains("28", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Bases_of_other_names_are_told()
    {
        void Put(string name, string model)
        {
            _fixture.Make(name, new LoraConfig { R = 2 });
            string file = _fixture.Folder[name, PeftConfig.FileName];
            File.WriteAllText(file, File.ReadAllText(file).Replace("\"base_model_name_or_path\": null", $"\"base_model_name_or_path\": \"{model}\"", StringComparison.Ordinal));
        }
        IReadOnlyList<string> Warnings(string other) => _fixture.Convert("a", "sum", "peft", r => r with { Model = null, Inputs = [.. r.Inputs, new(_fixture.Folder[other])] }).Warnings;
        Put("a", "maker/Llama-3-8B");
        Put("b", "/home/models/llama-3-8b/");
        Put("c", "maker/Llama-2-7B");
        Assert.Empty(Warnings("b"));
        string warning = Assert.Single(Warnings("c"));
        Assert.Contains("maker/Llama-3-8B", warning, StringComparison.Ordinal);
        Assert.Contains("maker/Llama-2-7B", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_of_another_kind_of_file_need_the_base()
    {
        _fixture.Make("a", new LoraConfig { R = 2 });
        PthWriter.Write(_fixture.Folder["b.pth"], [Zeros("blocks.0.att.key.lora_A", 2, 24), Zeros("blocks.0.att.key.lora_B", 24, 2)]);
        string message = _fixture.Refused("a", "x", "peft", "AC011", r => r with { Model = null, Inputs = [.. r.Inputs, new(_fixture.Folder["b.pth"]) { Alpha = 4 }] }).Message;
        Assert.Contains("'model.layers.0'", message, StringComparison.Ordinal);
        Assert.Contains("'blocks.0'", message, StringComparison.Ordinal);
        Assert.Contains("--model", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Signs_of_whole_changes_are_elected_by_the_changes_and_not_by_their_factors()
    {
        static LowRankLayer Layer(float b, double alpha) => new("m", AdapterMatrix.Of(1, 1, [1]), AdapterMatrix.Of(1, 1, [b]), new LoraScale(alpha));
        // Changes of 1 and −½, whose factors are 1 and −2.
        AdapterContents one = new([Layer(1, 1)], []), other = new([Layer(-2, 0.25)], []);
        var sum = (LowRankLayer)new AdapterCombination(new() { Method = CombinationMethod.TiesSvd, Density = 1 }).Combine([(one, 1), (other, 1)]).Layers[0];
        Assert.Equal(1, sum.Factor * sum.A.Read()[0] * sum.B.Read()[0], 1e-6);
    }

    [Theory]
    [InlineData(CombinationMethod.Cat)]
    [InlineData(CombinationMethod.Ties)]
    [InlineData(CombinationMethod.DareLinear)]
    [InlineData(CombinationMethod.Svd)]
    [InlineData(CombinationMethod.MagnitudePruneSvd)]
    public void Values_that_are_not_finite_are_not_pruned_away(CombinationMethod method)
    {
        _fixture.Make("a", new LoraConfig { R = 2 });
        _fixture.Make("b", new LoraConfig { R = 2 });
        string file = _fixture.Folder["b", PeftFolder.TensorFile], spoilt = "";
        TensorToWrite[] tensors;
        using (SafetensorsFile stored = SafetensorsFile.Open(file))
        {
            tensors = [.. stored.Tensors.Values.Select(t => TensorToWrite.FromFloats(t.Name, t.Shape, stored.ReadFloats(t.Name)))];
            spoilt = tensors[2].Name;
            tensors[2] = TensorToWrite.FromFloats(spoilt, tensors[2].Shape, stored.ReadFloats(spoilt).Select((v, i) => i == 5 ? float.NaN : v).ToArray());
        }
        SafetensorsWriter.Write(file, tensors);
        double? density = method is CombinationMethod.Cat or CombinationMethod.Svd ? null : 0.5;
        Assert.Contains(spoilt, _fixture.Refused("a", "x", "peft", "AC010", r => r with { Inputs = [.. r.Inputs, new(_fixture.Folder["b"])], Combination = new() { Method = method, Density = density } }).Message, StringComparison.Ordinal);
    }

    private static TensorToWrite Zeros(string name, int rows, int columns) => TensorToWrite.FromFloats(name, [rows, columns], new float[rows * columns]);
}
