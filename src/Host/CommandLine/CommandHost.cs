using System.CommandLine;
using Marrow.Host.Machines;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Marrow.Host.CommandLine;

/// <summary>Runs a command under the Generic Host: configuration, logging to stderr, cancellation, and errors as exit codes.</summary>
internal static class CommandHost
{
    /// <summary>The options that every command has.</summary>
    public const string JsonOption = "--json", VerboseOption = "--verbose";

    /// <summary>Runs <paramref name="body"/>, whose result is the exit code; <paramref name="register"/> adds what the command needs.</summary>
    public static async Task<int> RunAsync(
        ParseResult parse, Func<CommandContext, CancellationToken, Task<int>> body, Action<IServiceCollection>? register = null)
    {
        bool json = parse.GetValue<bool>(JsonOption);
        bool verbose = parse.GetValue<bool>(VerboseOption);
        TextWriter output = parse.InvocationConfiguration.Output;
        TextWriter errors = parse.InvocationConfiguration.Error;
        CancellationToken stopping = default;
        try
        {
            using IHost host = Build(verbose, register);
            stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
            await host.StartAsync().ConfigureAwait(false);
            try
            {
                return await body(new CommandContext(host.Services, output, errors, json), stopping).ConfigureAwait(false);
            }
            finally
            {
                bool cancelled = stopping.IsCancellationRequested;
                await host.StopAsync().ConfigureAwait(false);
                stopping = new CancellationToken(cancelled);
            }
        }
#pragma warning disable CA1031 // the one place where every error becomes a message and an exit code
        catch (Exception error)
#pragma warning restore CA1031
        {
            var report = ErrorReport.Of(error, stopping.IsCancellationRequested);
            report.Write(json, verbose, output, errors);
            return report.ExitCode;
        }
    }

    private static IHost Build(bool verbose, Action<IServiceCollection>? register)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true, ApplicationName = "marrow" });
        builder.Configuration.AddEnvironmentVariables("MARROW_");
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
        builder.Logging.AddConsole(console => console.FormatterName = LogLine.FormatterName).AddConsoleFormatter<LogLine, ConsoleFormatterOptions>();
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Logging.SetMinimumLevel(verbose ? LogLevel.Debug : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.AddSingleton<IHostLifetime, SignalLifetime>();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<DeviceOpener>();
        register?.Invoke(builder.Services);
        return builder.Build();
    }
}
