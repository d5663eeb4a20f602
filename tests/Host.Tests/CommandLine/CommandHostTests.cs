using System.CommandLine;
using Marrow.Formats;
using Marrow.Host.CommandLine;
using Microsoft.Extensions.Hosting;

namespace Marrow.Host.Tests.CommandLine;

public class CommandHostTests
{
    [Fact]
    public void A_stop_request_reaches_the_command_and_exits_with_130()
    {
        (int exit, string output, string errors) = Run(async (context, stopping) =>
        {
            context.Get<IHostApplicationLifetime>().StopApplication();
            await Task.Delay(Timeout.Infinite, stopping);
            return ExitCode.Done;
        });
        Assert.Equal((130, "", "marrow: cancelled"), (exit, output, errors.TrimEnd()));
    }

    [Fact]
    public void A_cancellation_that_nobody_asked_for_is_a_defect()
    {
        Assert.Equal(1, Run((_, _) => throw new OperationCanceledException()).Exit);
    }

    [Fact]
    public void A_user_error_exits_with_2_and_its_message()
    {
        (int exit, _, string errors) = Run((_, _) => throw new ModelFileException("ST003", "m.safetensors", "header too long"));
        Assert.Equal((2, "marrow: error: m.safetensors: header too long [ST003]"), (exit, errors.TrimEnd()));
    }

    [Fact]
    public void A_defect_exits_with_1_and_shows_its_origin_only_when_asked()
    {
        (int exit, _, string errors) = Run((_, _) => throw new InvalidOperationException("odd"));
        Assert.Equal(1, exit);
        Assert.Contains("Please report", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
        Assert.Contains("   at ", Run((_, _) => throw new InvalidOperationException("odd"), "--verbose").Errors, StringComparison.Ordinal);
        Assert.Equal("""{"error":{"code":"cancelled","message":"cancelled"}}""", Run((context, stopping) =>
        {
            context.Get<IHostApplicationLifetime>().StopApplication();
            stopping.ThrowIfCancellationRequested();
            return Task.FromResult(0);
        }, "--json").Output.TrimEnd());
    }

    private static (int Exit, string Output, string Errors) Run(Func<CommandContext, CancellationToken, Task<int>> body, params string[] args)
    {
        var root = new RootCommand { new Option<bool>("--json"), new Option<bool>("--verbose") };
        root.SetAction((parse, _) => CommandHost.RunAsync(parse, body));
        using StringWriter output = new(), errors = new();
        int exit = root.Parse(args).Invoke(new InvocationConfiguration { Output = output, Error = errors, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        return (exit, output.ToString(), errors.ToString());
    }
}
