using System.CommandLine;
using System.CommandLine.Help;
using Marrow.Host.Commands;

namespace Marrow.Host.CommandLine;

/// <summary>The command line of marrow.</summary>
internal static class Cli
{
    /// <summary>Runs one call and returns its exit code (<see cref="ExitCode"/>).</summary>
    public static int Run(string[] args, TextWriter output, TextWriter errors)
    {
        RootCommand root = Root();
        ParseResult parse = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        if (Usage.Error(parse, args) is { } message)
        {
            var report = new ErrorReport(ExitCode.BadInput, "usage", message);
            report.Write(args.Contains(CommandHost.JsonOption), verbose: false, output, errors);
            return report.ExitCode;
        }
        return parse.Invoke(new InvocationConfiguration
        {
            Output = output,
            Error = errors,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        });
    }

    private static RootCommand Root()
    {
        var root = new RootCommand("Fine-tunes language models with small adapters, without Python.")
        {
            new Option<bool>(CommandHost.JsonOption) { Description = "Write the result as one JSON document", Recursive = true },
            new Option<bool>(CommandHost.VerboseOption) { Description = "Log more, and show where an error came from", Recursive = true },
        };
        var examples = new Dictionary<string, string[]> { [root.Name] = ["marrow train job.yaml", "marrow train --help"] };
        foreach (CliCommand command in CliCommand.All())
        {
            root.Subcommands.Add(command.Command);
            examples[command.Command.Name] = command.Examples;
        }
        foreach (HelpOption help in root.Options.OfType<HelpOption>())
            help.Action = new ExampleHelp((HelpAction)help.Action!, examples);
        return root;
    }
}
