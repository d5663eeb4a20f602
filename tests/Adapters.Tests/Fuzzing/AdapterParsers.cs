using Marrow.Adapters.Converting;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Targets;
using Marrow.Adapters.Tests.Converting;
using Marrow.Formats;

namespace Marrow.Adapters.Tests.Fuzzing;

/// <summary>One kind of adapter file, and the family of the base that its seeds are made for.</summary>
internal sealed record AdapterParser(string Name, string Family, Func<AdapterFixture, FuzzTarget> Target);

/// <summary>Every kind of adapter file.</summary>
internal static class AdapterParsers
{
    private const double Alpha = 4;
    private const string LoraOfRwkv = "lora.pth";

    private static readonly string[] Words =
    [
        "\"peft_type\"", "\"LORA\"", "\"MISS\"", "\"BONE\"", "\"r\"", "\"lora_alpha\"", "\"rank_pattern\"", "\"alpha_pattern\"", "\"target_modules\"", "\"all-linear\"", "\"modules_to_save\"", "\"layers_to_transform\"", "\"use_dora\"", "\"use_rslora\"",
        "\"init_weights\"", "\"mini_r\"", "\"bat\"", "\"scale\"", "\"rank\"", "\"keys\"", "\"(a|a)*$\"", "\"q_proj\"", "\"dtype\"", "\"shape\"", "\"BF16\"", "\"F4\"", "null",
    ];

    private static readonly TargetSelection Few = new() { TargetModules = new(["q_proj", "k_proj"]), LayersToTransform = [0] };
    private static readonly TargetSelection FewOfRwkv = new() { TargetModules = new(["att.key", "att.value"]), LayersToTransform = [1] };

    public static AdapterParser[] All { get; } =
    [
        new("peft folder", "llama", f => Folder("peft folder", f, [Peft(f), .. Blocks(f)])),
        new("peft folder on a model", "llama", f => Folder("peft folder on a model", f, [Peft(f), .. Blocks(f)]) with { Parse = path => Attach(path, f) }),
        new("mlx folder", "llama", f => Folder("mlx folder", f, [Converted(f, "mlx", dora: false), Converted(f, "mlx", dora: true)])),
        new("kohya file", "llama", f => File("kohya file", f, [Converted(f, "kohya")])),
        new("gguf-lora file", "llama", f => File("gguf-lora file", f, [Converted(f, "gguf-lora")])),
        new("gguf-lora file on a model", "llama", f => File("gguf-lora file on a model", f, [Converted(f, "gguf-lora")]) with { Parse = path => Attach(path, f) }),
        new("rwkv-peft file", "rwkv7", f => File("rwkv-peft file", f, [Rwkv(f, new LoraConfig { R = 2, LoraAlpha = 3, Targets = FewOfRwkv }), Rwkv(f, new MissConfig { R = 2, Targets = FewOfRwkv }), Rwkv(f, new StateConfig())])),
    ];

    private static FuzzTarget Folder(string name, AdapterFixture fixture, IReadOnlyList<FuzzSeed> seeds) => File(name, fixture, seeds) with { TakesFolder = true };

    private static FuzzTarget File(string name, AdapterFixture fixture, IReadOnlyList<FuzzSeed> seeds)
    {
        var model = new BaseWeights(fixture.Files);
        return new(name, () => seeds, path => Use(path, model)) { Head = 1000, Words = Words };
    }

    /// <summary>Reads a file as conversion does, without a base and with one, and as training does.</summary>
    private static void Use(string path, BaseWeights model)
    {
        double? alpha = Path.GetFileName(path) == LoraOfRwkv ? Alpha : null;
        MarrowException? refused = null;
        try
        {
            using AdapterDocument document = AdapterKinds.Of(path).Open(path, alpha);
            Read(document.Read(null));
            Read(document.Read(model));
        }
        catch (MarrowException e)
        {
            refused = e;
        }
        try
        {
            using AdapterFiles files = AdapterFiles.Open(path, alpha);
            Assert.True(files.Config.R >= 0 && files.Warnings.Count >= 0);
        }
        // What can be converted only.
        catch (MarrowException e) when (e.Code == "AC004")
        {
        }
        if (refused is not null)
            throw refused;
    }

    private static void Read(AdapterContents contents)
    {
        foreach (AdaptedModule layer in contents.Layers)
        {
            if (layer is LowRankLayer low)
            {
                Assert.Equal((long)low.A.Rows * low.A.Columns, low.A.Read().Length);
                Assert.Equal((long)low.B.Rows * low.B.Columns, low.B.Read().Length);
                low.Magnitude?.Read();
                low.OutputBias?.Read();
                Assert.False(double.IsNaN(low.Factor));
            }
            else if (layer is BlockLayer block)
            {
                block.Source.Read(block.Tensor.Name, 0, new byte[Math.Min(block.Tensor.ByteLength, 1 << 16)]);
            }
        }
    }

    private static void Attach(string path, AdapterFixture fixture)
    {
        using AdapterFiles files = AdapterFiles.Open(path);
        using AdaptedModel adapted = AdaptedModel.Load(fixture.Model, files);
        Assert.True(adapted.Parameters.Count > 0);
    }

    private static FuzzSeed Of(AdapterFixture fixture, string name) => FuzzSeed.Written(f =>
    {
        foreach (string file in Directory.GetFiles(fixture.Folder[name]).Where(p => Path.GetExtension(p) != ".md"))
            System.IO.File.Copy(file, f[Path.GetFileName(file)]);
    });

    private static FuzzSeed Peft(AdapterFixture fixture)
    {
        fixture.Make("lora", new LoraConfig { R = 2, LoraAlpha = 3, RankPattern = new([("k_proj", 1)]), AlphaPattern = new([("k_proj", 5)]), Targets = Few with { ModulesToSave = ["norm"] } });
        return Of(fixture, "lora");
    }

    private static IEnumerable<FuzzSeed> Blocks(AdapterFixture fixture)
    {
        foreach ((string name, AdapterConfig config) in (ReadOnlySpan<(string, AdapterConfig)>)[("miss", new MissConfig { R = 2 }), ("mini", new MissMiniConfig { R = 2, MiniR = 2 }), ("bat", new BatConfig { R = 2 })])
            fixture.Make(name, config with { Targets = Few });
        return [Of(fixture, "miss"), Of(fixture, "mini"), Of(fixture, "bat")];
    }

    private static FuzzSeed Converted(AdapterFixture fixture, string kind, bool dora = false)
    {
        string from = dora ? "dora" : "plain", to = $"{from}-{kind}{AdapterFixture.Kind(kind).Ending}";
        fixture.Make(from, dora ? new DoraConfig { R = 2, LoraAlpha = 3, Targets = Few } : new LoraConfig { R = 2, LoraAlpha = 3, Targets = Few });
        fixture.Convert(from, to, kind);
        return Directory.Exists(fixture.Folder[to]) ? Of(fixture, to) : new((to, System.IO.File.ReadAllBytes(fixture.Folder[to])));
    }

    private static FuzzSeed Rwkv(AdapterFixture fixture, AdapterConfig config)
    {
        using var adapted = new AdaptedModel(fixture.Model, config, 3);
        TinyLlama.Scramble(adapted);
        string name = config is LoraConfig ? LoraOfRwkv : "a.pth";
        adapted.Save(fixture.Folder[name], null);
        return new((name, System.IO.File.ReadAllBytes(fixture.Folder[name])));
    }
}
