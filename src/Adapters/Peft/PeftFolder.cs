using System.Globalization;
using Marrow.Adapters.Targets;
using Marrow.Engine;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Peft;

/// <summary>A PEFT adapter folder: its configuration, and its tensors, opened but not read (spec/adapters.md §4.1).</summary>
public sealed class PeftFolder : IDisposable
{
    /// <summary>The name of the file of tensors.</summary>
    public const string TensorFile = "adapter_model.safetensors";

    private readonly SafetensorsFile _tensors;

    private PeftFolder(string path, SafetensorsFile tensors)
    {
        (Path, _tensors) = (path, tensors);
        string config = System.IO.Path.Combine(path, PeftConfig.FileName);
        var document = new PeftDocument(JsonFields.Parse(config, InputFile.ReadAll(config), "PF002", "PF003"), tensors);
        Config = PeftConfig.Read(document);
        Warnings = [.. tensors.Warnings, .. document.Warnings];
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>What adapter_config.json says.</summary>
    public AdapterConfig Config { get; }

    /// <summary>The tensors, under the names in the file.</summary>
    public ITensorSource Tensors => _tensors;

    /// <summary>What was odd but allowed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens a folder.</summary>
    /// <exception cref="MarrowException">
    /// PF001 not an adapter's folder; PF002 … PF005, PF010 the configuration; PF009 no safetensors; otherwise as <see cref="SafetensorsFile.Open"/>.
    /// </exception>
    public static PeftFolder Open(string path)
    {
        if (!Directory.Exists(path))
            throw new ModelFileException("PF001", Echo.Name(path), "there is no such folder; give the folder that holds adapter_config.json");
        if (!File.Exists(System.IO.Path.Combine(path, PeftConfig.FileName)))
            throw new ModelFileException("PF001", path, $"holds no {PeftConfig.FileName}"
                + (File.Exists(System.IO.Path.Combine(path, "config.json")) ? "; this is a model's folder, give an adapter's" : "; give a PEFT adapter's folder"));
        string tensors = System.IO.Path.Combine(path, TensorFile);
        if (!File.Exists(tensors))
            throw new ModelFileException("PF009", path, File.Exists(System.IO.Path.Combine(path, "adapter_model.bin"))
                ? "holds its tensors only as adapter_model.bin; save the adapter again with safe_serialization" : $"holds no {TensorFile}; fetch it from where the adapter came from");
        SafetensorsFile file = SafetensorsFile.Open(tensors);
        try
        {
            return new PeftFolder(path, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes a folder that PEFT loads: configuration, fp32 tensors and a model card; it appears whole or not at all.</summary>
    /// <exception cref="MarrowException">IO008, IO009 it cannot be written.</exception>
    public static void Write(string path, AdaptedModel adapted, string? baseModel = null)
    {
        ModulePattern? given = adapted.Config.Targets.TargetModules;
        ModulePattern targets = given is { IsAllLinear: false } ? given : new(TargetSelector.NamesOf(adapted.Model, adapted.Layers));
        string config = PeftConfig.Write(adapted.Config, targets, baseModel);
        AtomicFolder.Write(path, folder =>
        {
            AtomicFile.WriteText(System.IO.Path.Combine(folder, PeftConfig.FileName), config);
            SafetensorsWriter.Write(System.IO.Path.Combine(folder, TensorFile), adapted.Parameters.Parameters.Select(ToWrite));
            AtomicFile.WriteText(System.IO.Path.Combine(folder, "README.md"), Card(adapted, baseModel ?? adapted.Config.BaseModel));
        });
    }

    /// <summary>The file's name of each expected tensor, after checking that the file holds exactly these, in these shapes.</summary>
    /// <exception cref="ModelFileException">PF006 a tensor is missing; PF007 one belongs nowhere; PF008 two are the same; TS002 another shape.</exception>
    internal IReadOnlyDictionary<string, string> Match(IReadOnlyList<(string Name, Shape Shape)> expected, IReadOnlySet<string> stems)
    {
        Dictionary<string, string> stored = [];
        foreach (string name in Tensors.Tensors.Keys)
        {
            string key = PeftKeys.Normalise(name, stems, Config.Method.FormerNames);
            if (!stored.TryAdd(key, name))
                throw new ModelFileException("PF008", Tensors.Path, $"'{Echo.Name(name)}' and '{Echo.Name(stored[key])}' are the same tensor; does the file hold two adapters?");
        }
        HashSet<string> names = [.. expected.Select(e => e.Name)];
        string[] missing = [.. names.Where(n => !stored.ContainsKey(n))];
        if (missing.Length > 0)
            throw new ModelFileException("PF006", Tensors.Path, $"{missing.Length} of {names.Count} tensors that the configuration and the model ask for are missing: "
                + $"{Some(missing)}; is {PeftConfig.FileName} this adapter's, and the model its base?");
        string[] left = [.. stored.Where(s => !names.Contains(s.Key)).Select(s => s.Value)];
        if (left.Length > 0)
            throw new ModelFileException("PF007", Tensors.Path, $"{left.Length} tensors belong to no adapted layer: {Some(left)}; "
                + "target_modules or modules_to_save leaves their modules out, or the model is not the adapter's base");
        foreach ((string name, Shape shape) in expected)
            Tensors.Require(stored[name], Dimensions(shape));
        return stored;
    }

    /// <inheritdoc/>
    public void Dispose() => _tensors.Dispose();

    private static TensorToWrite ToWrite(Parameter parameter) => TensorToWrite.FromFloats(parameter.Name,
        Dimensions(parameter.Value.Shape), parameter.Value.ToArray());

    private static long[] Dimensions(Shape shape) => [.. Enumerable.Range(0, shape.Rank).Select(i => (long)shape[i])];

    private static string Card(AdaptedModel adapted, string? baseModel) => string.Create(CultureInfo.InvariantCulture, $"""
        ---
        {(baseModel is null ? "" : $"base_model: {System.Text.Json.JsonSerializer.Serialize(baseModel)}\n")}library_name: peft
        tags:
        - {adapted.Config.Method.Name}
        ---

        # {adapted.Config.Method.Name} adapter

        {adapted.Layers.Count} linear layers of a {adapted.Model.ModelType} model, r = {adapted.Config.R}, {adapted.Parameters.Count} trained values, fp32.
        Made by Marrow; loads with PEFT 0.17 or newer.

        """);

    private static string Some(string[] names) => string.Join(", ", names.Take(5).Select(n => Echo.Name(n))) + (names.Length > 5 ? ", …" : "");
}
