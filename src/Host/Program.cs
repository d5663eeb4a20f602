using System.Globalization;
using Marrow.Host.CommandLine;

namespace Marrow.Host;

internal static class Program
{
    private static int Main(string[] args)
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        return Cli.Run(args, Console.Out, Console.Error);
    }
}
