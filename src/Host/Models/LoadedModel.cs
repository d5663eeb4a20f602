using Marrow.Adapters;
using Marrow.Adapters.Peft;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;

namespace Marrow.Host.Models;

/// <summary>A model in memory with all that belongs to it. Every command loads its model here.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly Lazy<ModelTokenizer?> tokenizer;

    private readonly bool ownsFolder;
    private AdaptedModel? adapted;

    private LoadedModel(CpuDevice device, ModelFolder folder, Llama model, bool ownsFolder)
    {
        (Device, Folder, Model, this.ownsFolder) = (device, folder, model, ownsFolder);
        tokenizer = new Lazy<ModelTokenizer?>(() => TokenizerOf(folder));
    }

    /// <summary>Where it computes.</summary>
    public CpuDevice Device { get; }

    /// <summary>The files it came from.</summary>
    public ModelFolder Folder { get; }

    /// <summary>The model.</summary>
    public Llama Model { get; }

    /// <summary>The adapter that it computes with, or null.</summary>
    public AdaptedModel? Adapted => adapted;

    /// <summary>Its tokenizer; null where the folder has none.</summary>
    public ModelTokenizer? Tokenizer => tokenizer.Value;

    /// <summary>The tokens that end a text, by the tokenizer, generation_config.json and config.json.</summary>
    public IReadOnlyList<int> StopIds => [.. (Tokenizer?.StopIds ?? Folder.Generation?.EosIds ?? []).Concat(Folder.Config.EosIds).Distinct()];

    /// <summary>What its texts and ids are read by.</summary>
    public ModelVocabulary Vocabulary => VocabularyOf(Folder, Tokenizer);

    /// <summary>Loads model and adapter.</summary>
    /// <exception cref="MarrowException">Something about the files, or about the choice, is wrong.</exception>
    public static LoadedModel Open(ModelChoice choice)
    {
        ModelFolder folder = ModelFolder.Open(ModelPath.Folder(choice.Path));
        try
        {
            return Open(folder, choice, ownsFolder: true);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Loads the model of an open folder, which stays the caller's, and the adapter.</summary>
    /// <exception cref="MarrowException">Something about the files, or about the choice, is wrong.</exception>
    public static LoadedModel Open(ModelFolder folder, ModelChoice choice) => Open(folder, choice, ownsFolder: false);

    private static LoadedModel Open(ModelFolder folder, ModelChoice choice, bool ownsFolder)
    {
        choice.RequireDevice();
        var matrices = choice.Matrices;
        using PeftFolder? adapter = choice.Adapter is { } path ? PeftFolder.Open(path) : null;
        var device = new CpuDevice(choice.Threads ?? 0);
        Llama? model = null;
        try
        {
            model = ModelLoader.Load(device, folder, matrices);
            return new LoadedModel(device, folder, model, ownsFolder) { adapted = adapter is null ? null : AdaptedModel.Load(model, adapter) };
        }
        catch
        {
            model?.Dispose();
            device.Dispose();
            throw;
        }
    }

    /// <summary>The tokenizer, for commands that cannot do without.</summary>
    /// <exception cref="MarrowException">TK013: the folder has none.</exception>
    public ModelTokenizer RequireTokenizer() => Tokenizer ?? ModelTokenizer.Load(Folder.Path);

    /// <summary>The tokenizer of a model folder; null where it has no file of one.</summary>
    public static ModelTokenizer? TokenizerOf(ModelFolder folder) => folder.Tokenizer.Present.Any() ? ModelTokenizer.Load(folder.Path) : null;

    /// <summary>What the texts and ids of a model are read by.</summary>
    public static ModelVocabulary VocabularyOf(ModelFolder folder, ModelTokenizer? tokenizer) =>
        new(folder.Config.VocabularySize, tokenizer?.Tokenizer, tokenizer?.ChatTemplate);

    /// <inheritdoc/>
    public void Dispose()
    {
        adapted?.Dispose();
        Model.Dispose();
        Device.Dispose();
        if (ownsFolder)
            Folder.Dispose();
    }
}
