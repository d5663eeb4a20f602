using Marrow.Adapters.Converting;
using Marrow.Adapters.Tests.Converting;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Malformed;

/// <summary>The catalogue of malformed files, spec/formats.md §9: the cases of adapters.</summary>
public sealed class CatalogueTests : IDisposable
{
    private const string Key = "blk.0.attn_k.weight", A = Key + ".lora_a", B = Key + ".lora_b", Module = "base_model.model.model.layers.0.self_attn.k_proj.";
    private static readonly (string, long[])[] Whole = [(A, [2, 24]), (B, [4, 2])], Peft = [(Module + "lora_A.weight", [2, 24]), (Module + "lora_B.weight", [4, 2])];

    /// <summary>The rows; without a fixture they can only be named.</summary>
    private static MalformedCase[] Cases(AdapterFixture? fixture) =>
    [
        Gguf(fixture, 53, "general.type model", "GL001", v => v.Set("general.type", "model"), Whole),
        Gguf(fixture, 53, "adapter.type x", "GL002", v => v.Set("adapter.type", "x"), Whole),
        Gguf(fixture, 53, "another architecture", "GL003", v => v.Set("general.architecture", "qwen2"), Whole),
        Gguf(fixture, 53, "an unknown architecture", "GL003", v => v.Set("general.architecture", "bert"), Whole),
        Gguf(fixture, 54, "lora_a alone", "GL004", _ => { }, Whole[0]),
        Gguf(fixture, 54, "lora_b alone", "GL004", _ => { }, Whole[1]),
        Gguf(fixture, 54, "unknown ending", "GL005", _ => { }, [.. Whole, ("blk.0.attn_q.weight", [12, 24])]),
        Gguf(fixture, 54, "a layer that the base has not", "GL006", _ => { }, ("blk.7.attn_k.weight.lora_a", [2, 24]), ("blk.7.attn_k.weight.lora_b", [4, 2])),
        Gguf(fixture, 54, "a name that no model has", "GL006", _ => { }, ("made_up.lora_a", [2, 24]), ("made_up.lora_b", [4, 2])),
        Gguf(fixture, 54, "inputs of another size", "GL007", _ => { }, (A, [2, 25]), Whole[1]),
        Gguf(fixture, 54, "ranks that differ", "GL007", _ => { }, Whole[0], (B, [4, 3])),
        Gguf(fixture, 54, "lora_a not transposed", "GL008", _ => { }, (A, [24, 2]), Whole[1]),
        Gguf(fixture, 55, "alpha NaN", "GL009", v => v.Set("adapter.lora.alpha", float.NaN), Whole),
        Gguf(fixture, 55, "alpha negative", "GL009", v => v.Set("adapter.lora.alpha", -1f), Whole),
        Gguf(fixture, 55, "alpha infinite", "GL009", v => v.Set("adapter.lora.alpha", float.PositiveInfinity), Whole),
        // A rank of 0 is a size of 0, which no GGUF file may have.
        MalformedCase.Of(55, "rank 0", "GG014", "x.gguf", RankOfNothing, path => Read(path, fixture!)),
        new(83, "adapter_config.json missing", "PF001", ".", f => WritePeft(f, null, Peft), path => PeftFolder.Open(path).Dispose()),
        Config("peft_type unknown", "PF004", """{"peft_type":"ADALORA"}"""),
        Config("peft_type missing", "PF004", """{"r":8}"""),
        Config("r 0", "PF010", """{"peft_type":"LORA","r":0}"""),
        Config("r negative", "PF010", """{"peft_type":"LORA","r":-1}"""),
        Config("r 2^31", "PF010", """{"peft_type":"LORA","r":2147483648}"""),
        Config("r beyond 64 bits", "PF003", """{"peft_type":"LORA","r":99999999999999999999}"""),
        Config("alpha x", "PF003", """{"peft_type":"LORA","lora_alpha":"x"}"""),
        Config("not an object", "PF002", "[]"),
        Config("a switch that changes the arithmetic", "PF005", """{"peft_type":"LORA","use_qalora":true}"""),
        new(83, "A without B", "AC002", ".", f => WritePeft(f, """{"peft_type":"LORA","r":2,"target_modules":["k_proj"]}""", Peft[0]), path => Read(path, fixture!)),
        new(83, "a pattern that runs for ever", "AD006", ".", f => WritePeft(f, """{"peft_type":"LORA","r":2,"target_modules":["k_proj"],"rank_pattern":{"(.*)*(.*)*(.*)*(.*)*(.*)*x\\d":2}}""", Peft), path => Attach(path, fixture!)),
        Fitting(fixture, "inputs of another size", "AC008", (Module + "lora_A.weight", [2, 25]), Peft[1]),
        Fitting(fixture, "outputs of another size", "AC008", Peft[0], (Module + "lora_B.weight", [5, 2])),
        Fitting(fixture, "a module that the base has not", "AC007", (Module.Replace("k_proj", "z_proj", StringComparison.Ordinal) + "lora_A.weight", [2, 24]), (Module.Replace("k_proj", "z_proj", StringComparison.Ordinal) + "lora_B.weight", [4, 2])),
        new(84, "DoRA to GGUF", "AC004", ".", f => WritePeft(f, """{"peft_type":"LORA","r":2,"lora_alpha":2,"use_dora":true,"target_modules":["k_proj"]}""", [.. Peft, (Module + "lora_magnitude_vector", [4])]), path => ToGguf(path, fixture!)),
        new(84, "a norm trained whole to GGUF", "AC005", ".", f => WritePeft(f, """{"peft_type":"LORA","r":2,"lora_alpha":2,"target_modules":["k_proj"],"modules_to_save":["norm"]}""", [.. Peft, ("base_model.model.model.norm.weight", [24])]), path => ToGguf(path, fixture!)),
    ];

    private readonly AdapterFixture _fixture = new("llama");

    public static TheoryData<int, string> Rows()
    {
        TheoryData<int, string> rows = [];
        foreach (MalformedCase row in Cases(null))
            rows.Add(row.Number, row.What);
        return rows;
    }

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [MemberData(nameof(Rows))]
    public void Case(int number, string what) => Cases(_fixture).Single(c => c.Number == number && c.What == what).Check();

    /// <summary>The other cases have their rows in the tests of the formats.</summary>
    [Fact]
    public void Every_case_of_adapters_has_its_row() => Assert.Equal(MalformedCase.OfAdapters, Cases(null).Select(c => c.Number).Distinct().Order());

    private static MalformedCase Gguf(AdapterFixture? fixture, int number, string what, string code, Action<GgufMetadata> damage, params (string Name, long[] Shape)[] tensors) => new(number, what, code, "x.gguf", folder =>
    {
        var values = new GgufMetadata("x.gguf");
        values.Set("general.architecture", "llama");
        values.Set("general.type", "adapter");
        values.Set("adapter.type", "lora");
        values.Set("adapter.lora.alpha", 1f);
        damage(values);
        GgufWriter.Write(folder["x.gguf"], values, [.. tensors.Select(Zeros)]);
    }, path => Read(path, fixture!));

    /// <summary>A GGUF file whose only tensor has a size of 0, put together by hand.</summary>
    private static byte[] RankOfNothing()
    {
        byte[] name = System.Text.Encoding.ASCII.GetBytes(A);
        return [.. "GGUF"u8, 3, 0, 0, 0, .. BitConverter.GetBytes(1L), .. BitConverter.GetBytes(0L), .. BitConverter.GetBytes((long)name.Length), .. name, 2, 0, 0, 0,
            .. BitConverter.GetBytes(24L), .. BitConverter.GetBytes(0L), 0, 0, 0, 0, .. BitConverter.GetBytes(0L)];
    }

    private static MalformedCase Config(string what, string code, string config) => new(83, what, code, ".", folder => WritePeft(folder, config, Peft), path => PeftFolder.Open(path).Dispose()) { Names = "adapter_config.json" };

    private static MalformedCase Fitting(AdapterFixture? fixture, string what, string code, params (string Name, long[] Shape)[] tensors) => new(84, what, code, ".",
        folder => WritePeft(folder, """{"peft_type":"LORA","r":2,"lora_alpha":2,"target_modules":["k_proj","z_proj"]}""", tensors), path => Read(path, fixture!)) { Names = "adapter_model.safetensors" };

    private static void WritePeft(TemporaryFolder folder, string? config, params (string Name, long[] Shape)[] tensors)
    {
        if (config is not null)
            folder.Put("adapter_config.json", config);
        SafetensorsWriter.Write(folder["adapter_model.safetensors"], tensors.Select(Zeros));
    }

    private static TensorToWrite Zeros((string Name, long[] Shape) tensor) => TensorToWrite.FromFloats(tensor.Name, tensor.Shape, new float[tensor.Shape.Aggregate((x, y) => x * y)]);

    private static void Read(string path, AdapterFixture fixture)
    {
        using AdapterDocument document = AdapterKinds.Of(path).Open(path);
        document.Read(new BaseWeights(fixture.Files));
    }

    private static void Attach(string path, AdapterFixture fixture)
    {
        using AdapterFiles files = AdapterFiles.Open(path);
        AdaptedModel.Load(fixture.Model, files).Dispose();
    }

    private static void ToGguf(string path, AdapterFixture fixture) =>
        AdapterConversion.Run(new() { Inputs = [new(path)], Output = Path.Combine(path, "x.gguf"), Target = AdapterFixture.Kind("gguf-lora"), Model = fixture.Files });
}
