using Marrow.Adapters;
using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Tokenizers;
using Marrow.Host.Machines;

namespace Marrow.Host.Models;

/// <summary>A model in memory with all that belongs to it. Every command loads its model here.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly Lazy<ModelTokenizer?> tokenizer;

    private readonly bool owns;
    private AdaptedModel? adapted;

    private LoadedModel(Device device, ModelFolder folder, CausalModel model, bool owns, Action<string> tell)
    {
        (Device, Folder, Model, this.owns) = (device, folder, model, owns);
        tokenizer = new Lazy<ModelTokenizer?>(() =>
        {
            ModelTokenizer? read = ModelTokenizer.Of(folder);
            foreach (string warning in read?.Warnings ?? [])
                tell(warning);
            return read;
        });
    }

    /// <summary>Where it computes.</summary>
    public Device Device { get; }

    /// <summary>What the device did until now.</summary>
    public DeviceUse Use => DeviceUse.Of(Device, Model.ActivationType);

    /// <summary>The files it came from.</summary>
    public ModelFolder Folder { get; }

    /// <summary>The model.</summary>
    public CausalModel Model { get; }

    /// <summary>The adapter that it computes with, or null.</summary>
    public AdaptedModel? Adapted => adapted;

    /// <summary>Its tokenizer; null where the folder has none.</summary>
    public ModelTokenizer? Tokenizer => tokenizer.Value;

    /// <summary>The tokens that end a text, by the tokenizer, generation_config.json and config.json.</summary>
    public IReadOnlyList<int> StopIds => [.. (Tokenizer?.StopIds ?? Folder.Generation?.EosIds ?? []).Concat(Folder.Config.EosIds).Distinct()];

    /// <summary>What its texts and ids are read by.</summary>
    public ModelVocabulary Vocabulary => VocabularyOf(Folder, Tokenizer);

    /// <summary>Opens the device, and loads model and adapter.</summary>
    /// <exception cref="MarrowException">Something about the files, or about the choice, is wrong.</exception>
    public static LoadedModel Open(ModelChoice choice, DeviceOpener devices)
    {
        ModelFolder folder = ModelFolder.Open(choice.Path);
        Device? device = null;
        try
        {
            device = devices.Open(choice.Device);
            LoadedModel loaded = Open(folder, choice, device, owns: true, devices.Tell);
            foreach (string remark in folder.Warnings.Concat(WeightTypes.Remarks(loaded.Model, choice.Matrices, folder.Tensors)))
                devices.Tell(remark);
            return loaded;
        }
        catch
        {
            device?.Dispose();
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Loads model and adapter from an open folder to an open device; both stay the caller's.</summary>
    /// <exception cref="MarrowException">Something about the files, or about the choice, is wrong.</exception>
    public static LoadedModel Open(ModelFolder folder, ModelChoice choice, Device device) => Open(folder, choice, device, owns: false, tell: _ => { });

    private static LoadedModel Open(ModelFolder folder, ModelChoice choice, Device device, bool owns, Action<string> tell)
    {
        var matrices = choice.Matrices;
        DType activations = choice.ActivationsOn((device as KernelDevice)?.Capabilities, matrices ?? MatricesOf(folder));
        using AdapterFiles? adapter = choice.Adapter is { } path ? AdapterFiles.Open(path, choice.AdapterAlpha) : null;
        CausalModel model = ModelLoader.Load(device, folder, matrices);
        try
        {
            model.ActivationType = activations;
            return new LoadedModel(device, folder, model, owns, tell) { adapted = adapter is null ? null : AdaptedModel.Load(model, adapter) };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The type that the loader keeps a folder's weight matrices in where it is left to it.</summary>
    public static DType MatricesOf(ModelFolder folder) =>
        folder.Tensors.Tensors.Values.Any(t => t.Shape.Count == 2 && t.DType == DType.BF16) ? DType.BF16 : DType.F32;

    /// <summary>The tokenizer, for commands that cannot do without.</summary>
    /// <exception cref="MarrowException">TK013: the folder has none.</exception>
    public ModelTokenizer RequireTokenizer() => Tokenizer ?? ModelTokenizer.Load(Folder.Directory);

    /// <summary>What the texts and ids of a model are read by.</summary>
    public static ModelVocabulary VocabularyOf(ModelFolder folder, ModelTokenizer? tokenizer) =>
        new(folder.Config.VocabularySize, tokenizer?.Tokenizer, tokenizer?.ChatTemplate);

    /// <inheritdoc/>
    public void Dispose()
    {
        adapted?.Dispose();
        Model.Dispose();
        if (!owns)
            return;
        Device.Dispose();
        Folder.Dispose();
    }
}
