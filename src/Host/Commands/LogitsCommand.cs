using System.CommandLine;
using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.Safetensors;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Models;

namespace Marrow.Host.Commands;

/// <summary><c>marrow logits</c>: the logits of every position of a sequence.</summary>
internal static class LogitsCommand
{
    public static CliCommand Create()
    {
        var tokens = new Option<string>("--tokens") { Description = "Token ids, as in \"1 2 3\"", Required = true };
        var to = new Option<string>("--out") { Description = "The .safetensors file to write", Required = true, HelpName = "file" };
        var command = new Command("logits", "Write the logits of every position of a sequence");
        var model = new ModelOptions(command);
        command.Options.Add(tokens);
        command.Options.Add(to);
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, _) =>
        {
            ModelChoice choice = model.Read(parse);
            string path = parse.GetRequiredValue(to);
            OutputTarget.RequireElsewhere(path, new[] { choice.Path, choice.Adapter }.OfType<string>());
            using LoadedModel loaded = LoadedModel.Open(choice, context.Get<DeviceOpener>());
            OutputTarget.RequireElsewhere(path, [.. loaded.Folder.WeightFiles, .. loaded.Folder.Tokenizer.Present, loaded.Folder.ConfigFile ?? choice.Path]);
            int[] ids = TokenList.Parse(parse.GetRequiredValue(tokens), loaded.Model.VocabularySize);
            using var tape = new Tape(loaded.Device);
            Tensor logits = loaded.Model.Logits(tape, TokenList.Batch(ids));
            long[] shape = [ids.Length, loaded.Model.VocabularySize];
            SafetensorsWriter.Write(path, [TensorToWrite.FromFloats("logits", shape, logits.ToArray())]);
            context.Report(new { Out = path, Shape = shape, Device = loaded.Use }, output => output.WriteLine($"{path}: logits [{shape[0]},{shape[1]}] fp32"));
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow logits --model models/llama --tokens \"1 2 3\" --out logits.safetensors");
    }
}
