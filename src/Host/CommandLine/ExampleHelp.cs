using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Marrow.Host.CommandLine;

/// <summary>The library's help page, followed by the command's examples.</summary>
internal sealed class ExampleHelp(HelpAction page, IReadOnlyDictionary<string, string[]> examples) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        int exit = page.Invoke(parseResult);
        if (examples.TryGetValue(parseResult.CommandResult.Command.Name, out string[]? lines))
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (string line in lines)
                output.WriteLine($"  {line}");
        }
        return exit;
    }
}
