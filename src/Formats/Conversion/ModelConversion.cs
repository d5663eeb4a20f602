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
        IReadOnlyList<string> files = kind switch
        {
            ModelKind.HuggingFace => WriteFolder(path, model, run),
            ModelKind.Safetensors => WriteSafetensors(path, model, run),
            ModelKind.Pth => WritePth(path, model, run),
            _ => WriteGguf(path, model, run),
        };
        return run.Report(path, kind, files);
    }

    private static string[] WriteFolder(string path, SourceModel model, ConversionRun run)
    {
        ConversionOptions options = run.Options;
        var rwkv = model.Config as RwkvConfig;
        // Hugging Face has its own names for RWKV; a model that has none yet gets those of flash-linear-attention.
        RwkvNaming? naming = rwkv?.Naming ?? (rwkv is not null && !options.KeepNames ? NewNaming(path, rwkv) : null);
        if (naming == RwkvNaming.Fla7 && model.LeftOut("Hugging Face's form of RWKV-7") is { } leftOut)
            run.Warnings.Add(leftOut);
        run.Plan(PlainPlan.Of(model, options.StoreAs, naming));
        string? config = rwkv is { RawJson: null } && naming is not null ? ModelConfigText.Fla7(rwkv, run.MatrixType) : ModelConfigText.For(model.Config, run.MatrixType);
        AtomicFolder.Write(path, folder =>
        {
            if (config is not null)
                AtomicFile.WriteText(Path.Combine(folder, "config.json"), config);
            foreach (string file in (model.Tokenizer?.Present ?? []).Prepend(model.GenerationFile).OfType<string>())
                AtomicFile.WriteBytes(Path.Combine(folder, Path.GetFileName(file)), InputFile.ReadAll(file));
            if (model.GgufValues is { } values && GgufTokenizer.IsPresent(values))
            {
                GgufTokenizer.WriteFiles(values, folder);
                run.Warnings.AddRange(GgufTokenizer.Warnings(values));
            }
            SafetensorsWriter.WriteModel(folder, run.Tensors, options.MaxShardBytes);
            run.Check(path, () => SafetensorsFolder.Open(folder));
        });
        return [.. Directory.GetFiles(path).Order(StringComparer.Ordinal)];
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

    private static string[] WriteSafetensors(string path, SourceModel model, ConversionRun run)
    {
        if (model.Config is RwkvConfig rwkv)
            PlainPlan.RequireUsualNorms(path, rwkv);
        else
            run.Warnings.Add($"{Path.GetFileName(path)} holds the weights alone: whoever reads it needs the model's config.json and tokenizer beside it");
        WarnOfTokenizer(path, model, run);
        run.Plan(PlainPlan.Of(model, run.Options.StoreAs, naming: null));
        AtomicFile.RemoveLeftovers(path);
        SafetensorsWriter.Write(path, run.Tensors, check: written => run.Check(path, () => SafetensorsFile.Open(written)));
        return [path];
    }

    private static IReadOnlyList<string> WriteGguf(string path, SourceModel model, ConversionRun run)
    {
        ConversionOptions options = run.Options;
        GgufPlan plan = GgufPlan.Of(path, model, options, run.Warnings);
        if (model.GenerationFile is { } generation)
            run.Warnings.Add($"{Path.GetFileName(generation)} stays behind: of what it says, GGUF holds the ends of generation only");
        run.Plan(plan.Tensors);
        AtomicFile.RemoveLeftovers(path);
        if (options.MaxSplitBytes is not { } bytes)
        {
            GgufWriter.Write(path, plan.Values, run.Tensors, Check);
            return [path];
        }
        OutputTarget.RequireParts(path, model.Inputs, options.Overwrite);
        IReadOnlyList<string> files = GgufWriter.WriteSplit(path, plan.Values, run.Tensors, bytes, Check);
        if (options.Overwrite)
            run.Warnings.AddRange(OutputTarget.RemoveFormerParts(path, files));
        return files;

        void Check(IReadOnlyList<string> written) => run.Check(path, () => GgufFile.Open(written));
    }

    private static string[] WritePth(string path, SourceModel model, ConversionRun run)
    {
        if (model.Config is not RwkvConfig rwkv)
            throw new MarrowException("CV001", $"{path}: only RWKV models are .pth files, and this is a {model.Config.ModelType} model; write a folder, a .safetensors or a .gguf file [CV001]");
        PlainPlan.RequireUsualNorms(path, rwkv);
        WarnOfTokenizer(path, model, run);
        run.Plan(PlainPlan.Of(model, run.Options.StoreAs, naming: null));
        AtomicFile.RemoveLeftovers(path);
        PthWriter.Write(path, run.Tensors, written => run.Check(path, () => PthFile.Open(written)));
        return [path];
    }

    private static void WarnOfTokenizer(string path, SourceModel model, ConversionRun run)
    {
        if (model.Config is RwkvConfig && (model.Tokenizer?.Present.Any() == true || (model.GgufValues is { } values && GgufTokenizer.IsPresent(values))))
            run.Warnings.Add($"{Path.GetFileName(path)} holds the weights alone: the tokenizer stays behind; keep its files beside it");
    }
}
