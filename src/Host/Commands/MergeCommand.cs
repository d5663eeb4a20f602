using System.CommandLine;
using System.Text.Json;
using Marrow.Adapters.Merging;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.Numerics;
using Marrow.Host.CommandLine;
using Marrow.Host.Converting;
using Marrow.Host.Machines;
using Marrow.Host.Models;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow merge</c>: base model and adapter as one model, with a certificate.</summary>
internal static class MergeCommand
{
    private const int ProbeTokens = 64;

    /// <summary>In a written folder, or beside a written file with that file's name before it.</summary>
    private const string CertificateName = "merge.json";

    public static CliCommand Create()
    {
        var to = new Option<string>("--out") { Description = "The model to write: a folder, a .gguf or .safetensors file, or the .pth file of an RWKV model", Required = true, HelpName = "path" };
        var storeAs = new Option<string?>("--store-as")
        {
            Description = "Type of the written weights: fp32, bf16, fp16, for .gguf also q8_0, q4_k_m and others (that of each tensor in the base where not given; a quantised one that is changed is then fp32)", HelpName = "type",
        };
        var command = new Command("merge", "Merge an adapter into its base model");
        var model = new ModelOptions(command, adapterRequired: true);
        command.Options.Add(to);
        command.Options.Add(storeAs);
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
        {
            string path = parse.GetRequiredValue(to);
            ModelKind kind = ModelConverter.KindOf(path);
            ConversionOptions options = ModelConverter.Types(kind, parse.GetValue(storeAs)) with { AllowRequantize = true, Cancellation = stopping };
            string proof = kind == ModelKind.HuggingFace ? Path.Combine(path, CertificateName) : Path.ChangeExtension(path, CertificateName);
            if (new[] { path, proof }.FirstOrDefault(Path.Exists) is { } taken)
                throw new MarrowException("CL005", $"--out: {Echo.Name(taken, 300)}{(taken == proof ? ", the certificate of this merge," : "")} exists already; choose another name");
            ModelChoice choice = model.Read(parse);
            // The certificate's logits are to show what merging does, not what narrow activations do.
            using LoadedModel loaded = LoadedModel.Open(choice.Activations == "auto" ? choice with { Activations = "fp32" } : choice, context.Get<DeviceOpener>());
            if (choice.Matrices is { } narrow && narrow.IsBlock())
                context.Errors.WriteLine($"marrow: warning: the base was quantised to {narrow} while it was loaded, and the layers that the adapter changes are written with the losses of that; --dtype auto merges into the weights as they are stored");
            MergeCertificate certificate = loaded.Adapted!.Merge(TokenList.Batch(Probe(loaded)));
            stopping.ThrowIfCancellationRequested();
            ConversionReport report = ModelFolderWriter.Write(path, kind, loaded.Model, loaded.Folder, options);
            foreach (string warning in report.Warnings)
                context.Errors.WriteLine($"marrow: warning: {warning}");
            report = report with { Warnings = [.. loaded.Folder.Warnings, .. report.Warnings] };
            object written = Written(loaded, path, certificate, report);
            AtomicFile.WriteText(proof, JsonSerializer.Serialize(written, JsonText.Indented) + "\n");
            context.Report(written, output => Write(output, path, proof, certificate, report));
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow merge --model models/llama --adapter runs/first/adapter --out models/merged",
            "marrow merge --model models/llama-q8.gguf --adapter first.gguf --out merged.gguf --store-as q8_0", "marrow merge --model models/rwkv7.pth --adapter lora.pth --adapter-alpha 32 --out models/merged.pth");
    }

    /// <summary>Tokens to compare the logits on: a sentence where there is a tokenizer, else ids spread over the vocabulary.</summary>
    private static int[] Probe(LoadedModel loaded)
    {
        int size = loaded.Model.VocabularySize, most = Math.Min(ProbeTokens, loaded.Model.MaxPositions);
        int[] text = loaded.Tokenizer is { } tokenizer
            ? [.. tokenizer.Tokenizer.Encode("The quick brown fox jumps over the lazy dog. 3 + 4 = 7, and water is wet.", addSpecial: true, parseSpecial: false).Take(most)] : [];
        return text.Length > 0 && text.All(id => id < size) ? text : [.. Enumerable.Range(0, most).Select(i => (int)((long)i * 7919 % size))];
    }

    private static object Written(LoadedModel loaded, string path, MergeCertificate certificate, ConversionReport report) => new
    {
        Out = path,
        Base = loaded.Folder.Path,
        Method = loaded.Adapted!.Config.Method.Name,
        certificate.LargestChange,
        certificate.MeanChange,
        certificate.RelativeChange,
        certificate.UnmergeError,
        certificate.Logits,
        Tensors = certificate.Tensors.Select(t => new { t.Name, t.StoredAs, t.LargestChange, t.MeanChange, t.RelativeChange, t.UnmergeError }),
        // What storing did to them and to all others is another matter than what merging did.
        Stored = ModelConverter.Tensors(report),
        report.Warnings,
        Device = loaded.Use,
        Program = ProgramVersion.Text,
    };

    private static void Write(TextWriter output, string path, string proof, MergeCertificate certificate, ConversionReport report)
    {
        string Number(double value) => value.ToString("g3", System.Globalization.CultureInfo.InvariantCulture);
        LogitDifference logits = certificate.Logits;
        output.WriteLine($"merged into {Echo.Name(path, 300)}");
        output.WriteLine($"  changed   {certificate.Tensors.Count} tensors: largest change {Number(certificate.LargestChange)}, mean {Number(certificate.MeanChange)}"
            + (certificate.RelativeChange is { } relative ? $", {Number(100 * relative)}% of the weights' norm" : ""));
        output.WriteLine($"  logits    merged against adapter on {logits.Tokens} tokens: largest difference {Number(logits.Largest)}, mean {Number(logits.Mean)} (logits reach {Number(logits.LargestLogit)}); same first choice for {logits.SameChoices} of {logits.Tokens}");
        output.WriteLine($"  undoing   {(certificate.UnmergeError is { } error ? $"would bring the base back within {Number(error)}" : "is not possible for every tensor; keep the base model")}");
        ModelConverter.WriteTypes(output, report);
        if (!report.Exact)
            output.WriteLine("  the logits above are those before the values were rounded so");
        output.WriteLine($"  written   also as {Echo.Name(proof, 300)}");
    }
}
