using Marrow.Adapters.Converting;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Adapters.Merging;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>A tiny model on disk, adapters made for it, and what they compute.</summary>
internal sealed class AdapterFixture : IDisposable
{
    public AdapterFixture(string family)
        : this(device => TinyModels.Create(device, family))
    {
    }

    public AdapterFixture(Func<CpuDevice, CausalModel> create)
    {
        Model = create(Device);
        ModelFolderWriter.Write(Folder["model"], Model);
        Files = ModelFolder.Open(Folder["model"]);
    }

    public CpuDevice Device { get; } = new(1);

    public TemporaryFolder Folder { get; } = new();

    public CausalModel Model { get; }

    public ModelFolder Files { get; }

    public static AdapterKind Kind(string name) => AdapterKinds.Find(name);

    /// <summary>Writes a scrambled adapter and returns its logits.</summary>
    public float[] Make(string name, AdapterConfig config)
    {
        using var adapted = new AdaptedModel(Model, config, 3);
        TinyLlama.Scramble(adapted, 0.2f);
        adapted.Save(Folder[name], null);
        return TinyLlama.Logits(Model, TinyLlama.Batch());
    }

    /// <summary>The logits of the model with an adapter's files.</summary>
    public float[] Logits(string name, double? alpha = null)
    {
        using AdapterFiles files = AdapterFiles.Open(Folder[name], alpha);
        using AdaptedModel adapted = AdaptedModel.Load(Model, files);
        return TinyLlama.Logits(Model, TinyLlama.Batch());
    }

    public AdapterConversionReport Convert(string from, string to, string kind, Func<AdapterConversionRequest, AdapterConversionRequest>? change = null, double? alpha = null)
    {
        var request = new AdapterConversionRequest { Inputs = [new(Folder[from]) { Alpha = alpha }], Output = Folder[to], Target = Kind(kind), Model = Files };
        return AdapterConversion.Run(change?.Invoke(request) ?? request);
    }

    public MarrowException Refused(string from, string to, string kind, string code, Func<AdapterConversionRequest, AdapterConversionRequest>? change = null, double? alpha = null)
    {
        var refused = Assert.ThrowsAny<MarrowException>(() => Convert(from, to, kind, change, alpha));
        Assert.True(refused.Code == code, $"{refused.Code} instead of {code}: {refused.Message}");
        Assert.False(File.Exists(Folder[to]) || Directory.Exists(Folder[to]));
        return refused;
    }

    public void Dispose()
    {
        Files.Dispose();
        Model.Dispose();
        Device.Dispose();
        Folder.Dispose();
    }
}
