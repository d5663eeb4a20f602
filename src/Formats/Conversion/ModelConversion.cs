using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Conversion;

/// <summary>
/// Writes a model as a file or folder of any kind. Tensors are streamed: memory stays the same whatever the model's size. What is written appears whole or
/// not at all, and the same input gives the same bytes whatever the number of threads.
/// </summary>
public static class ModelConversion
{
    /// <summary>The kind that a path's ending means; a folder where it has none of a file.</summary>
    public static ModelKind KindOf(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".gguf" => ModelKind.Gguf,
        ".safetensors" => ModelKind.Safetensors,
        ".pth" or ".pt" => ModelKind.Pth,
        _ => ModelKind.HuggingFace,
    };

    /// <summary>Writes <paramref name="model"/> at <paramref name="path"/>.</summary>
    /// <exception cref="MarrowException">
    /// IO007 the target is an input; IO008 it cannot be written; IO009 something is there already. CV001 the kind cannot hold the model; CV002 a quantised model
    /// and no type named; CV003 it is quantised already; CV004 values that are not finite; CV005 values beyond the range of F16, BF16 or F32; CV006 the check failed; CV007 a tensor that
    /// cannot be stored so. Otherwise as the readers of the source and the writers of the kind.
    /// </exception>
    public static ConversionReport Write(string path, ModelKind kind, SourceModel model, ConversionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new ConversionOptions();
        if (kind == ModelKind.Gguf ? options.StoreAs is not null : options.FileType is not null)
            throw new ArgumentException($"A {kind} target takes {(kind == ModelKind.Gguf ? nameof(options.FileType) : nameof(options.StoreAs))}", nameof(options));
        if (options.StoreAs is not (null or DType.F32 or DType.F16 or DType.BF16))
            throw new MarrowException("CV007", $"Weights cannot be stored as {options.StoreAs} in a {kind} target; choose F32, F16 or BF16 (blocks go into GGUF files) [CV007]");
        OutputTarget.Require(path, kind, model.Inputs, options.Overwrite);
        using var run = new ConversionRun(options, model.Tensors.Path);
        switch (kind)
        {
            case ModelKind.HuggingFace:
                WriteFolder(path, model, run);
                break;
            case ModelKind.Safetensors:
                WriteSafetensors(path, model, run);
                break;
            case ModelKind.Pth:
                WritePth(path, model, run);
                break;
            default:
                WriteGguf(path, model, run);
                break;
        }
        return run.Report(path, kind);
    }

    private static void WriteFolder(string path, SourceModel model, ConversionRun run)
    {
        ConversionOptions options = run.Options;
        var rwkv = model.Config as RwkvConfig;
        // Hugging Face has its own names for RWKV; a model that has none yet gets those of flash-linear-attention.
        RwkvNaming? naming = rwkv?.Naming ?? (rwkv is not null && !options.KeepNames ? NewNaming(path, rwkv) : null);
        if (naming == RwkvNaming.Fla7 && model.Tensors.Tensors.Keys.Where(model.Config.IsDerived).Order(StringComparer.Ordinal).ToArray() is [_, ..] unused)
            run.Warnings.Add($"{string.Join(", ", unused)} are left out: no computation reads them, and Hugging Face's form of RWKV-7 has no place for them");
        run.Plan(PlainPlan.Of(model, options.StoreAs, naming));
        string? config = rwkv is { RawJson: null } && naming is not null ? ModelConfigText.Fla7(rwkv, run.MatrixType) : ModelConfigText.For(model.Config, run.MatrixType);
        AtomicFolder.Write(path, folder =>
        {
            if (config is not null)
                AtomicFile.WriteText(Path.Combine(folder, "config.json"), config);
            foreach (string file in (model.Tokenizer?.Present ?? []).Prepend(model.GenerationFile).OfType<string>())
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            if (model.GgufValues is { } values && values.Has(TokenizerKeys.Model))
                GgufTokenizer.WriteFiles(values, folder);
            SafetensorsWriter.WriteModel(folder, run.Tensors, options.MaxShardBytes);
        });
        run.Finish(Directory.GetFiles(path).Order(StringComparer.Ordinal), () => SafetensorsFolder.Open(path), folder: path);
    }

    private static RwkvNaming? NewNaming(string path, RwkvConfig config)
    {
        if (config.RawJson is not null)
            return null;
        if (config.Version != 7)
            throw new MarrowException("CV001", $"{path}: Hugging Face's programs know RWKV-{config.Version} only under names and with a config.json that are not made here; write a .pth, .safetensors or .gguf file [CV001]");
        if (config.HeadNormEps != config.HeadSize * config.NormEps)
            throw new MarrowException("CV001", $"{path}: Hugging Face's form of RWKV-7 has a norm over heads with an epsilon of {config.HeadSize} · {config.NormEps}, and this model has {config.HeadNormEps}; "
                + "write a .pth, .safetensors or .gguf file [CV001]");
        return config.HasInitialStates
            ? throw new MarrowException("CV001", $"{path}: Hugging Face's form of RWKV-7 has no place for trained initial states; write a .pth, .safetensors or .gguf file [CV001]")
            : RwkvNaming.Fla7;
    }

    private static void WriteSafetensors(string path, SourceModel model, ConversionRun run)
    {
        if (model.Config is RwkvConfig rwkv)
            PlainPlan.RequireUsualNorms(path, rwkv);
        else
            run.Warnings.Add($"{Path.GetFileName(path)} holds the weights alone: whoever reads it needs the model's config.json and tokenizer beside it");
        WarnOfTokenizer(path, model, run);
        run.Plan(PlainPlan.Of(model, run.Options.StoreAs, naming: null));
        AtomicFile.RemoveLeftovers(path);
        SafetensorsWriter.Write(path, run.Tensors);
        run.Finish([path], () => SafetensorsFile.Open(path));
    }

    private static void WriteGguf(string path, SourceModel model, ConversionRun run)
    {
        ConversionOptions options = run.Options;
        GgufPlan plan = GgufPlan.Of(path, model, options, run.Warnings);
        run.Plan(plan.Tensors);
        IReadOnlyList<string> files = [path], replaced = [];
        AtomicFile.RemoveLeftovers(path);
        if (options.MaxSplitBytes is { } bytes)
        {
            replaced = OutputTarget.RequireParts(path, model.Inputs, options.Overwrite);
            files = GgufWriter.WriteSplit(path, plan.Values, run.Tensors, bytes);
        }
        else
            GgufWriter.Write(path, plan.Values, run.Tensors);
        run.Finish(files, () => GgufFile.Open(files[0]));
        // What was split otherwise before, and would be taken for this model by its name.
        OutputTarget.Remove(replaced.Except(files.Select(Path.GetFullPath)), run.Warnings);
    }

    private static void WritePth(string path, SourceModel model, ConversionRun run)
    {
        if (model.Config is not RwkvConfig rwkv)
            throw new MarrowException("CV001", $"{path}: only RWKV models are .pth files, and this is a {model.Config.ModelType} model; write a folder, a .safetensors or a .gguf file [CV001]");
        PlainPlan.RequireUsualNorms(path, rwkv);
        WarnOfTokenizer(path, model, run);
        run.Plan(PlainPlan.Of(model, run.Options.StoreAs, naming: null));
        AtomicFile.RemoveLeftovers(path);
        PthWriter.Write(path, run.Tensors);
        run.Finish([path], () => PthFile.Open(path));
    }

    private static void WarnOfTokenizer(string path, SourceModel model, ConversionRun run)
    {
        if (model.Config is RwkvConfig && (model.Tokenizer?.Present.Any() == true || model.GgufValues?.Has(TokenizerKeys.Model) == true))
            run.Warnings.Add($"{Path.GetFileName(path)} holds the weights alone: the tokenizer stays behind; keep its files beside it");
    }
}
