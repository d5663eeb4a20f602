using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Marrow.Host.Tests;

/// <summary>Runs the built program, which stands beside the test assembly.</summary>
internal sealed class MarrowProcess : IDisposable
{
    /// <summary>Kernels stay here between runs of the tests; keyed by text and driver, so that nothing stale is ever used.</summary>
    private static readonly string Cache = Path.Combine(Path.GetTempPath(), $"marrow-test-cache-{Environment.UserName}");

    private readonly Process process;
    private readonly Task<string> output;
    private readonly Task<string> errors;

    private MarrowProcess(string[] args, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Repository.Root };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "marrow.dll"));
        foreach (string arg in args)
            start.ArgumentList.Add(arg);
        foreach ((string name, string value) in environment.Prepend(("MARROW_CACHE", Cache)))
            start.Environment[name] = value;
        process = Process.Start(start)!;
        output = process.StandardOutput.ReadToEndAsync();
        errors = process.StandardError.ReadToEndAsync();
    }

    public sealed record Result(int ExitCode, string Output, string Errors);

    /// <summary>Whether it still runs.</summary>
    public bool Running => !process.HasExited;

    public static MarrowProcess Start(params string[] args) => new(args);

    public static Result Run(params string[] args)
    {
        using var running = new MarrowProcess(args);
        return running.Wait();
    }

    /// <summary>Runs it to its end and gives what it reports as JSON.</summary>
    public static JsonElement Json(params string[] args) => JsonDocument.Parse(Done([.. args, "--json"])).RootElement;

    /// <summary>Runs it to its end, which must be a good one, and gives its standard output.</summary>
    public static string Done(params string[] args)
    {
        Result result = Run(args);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
        return result.Output;
    }

    /// <summary>Runs it on wrong input: it must end with exit code 2, one message with these texts, and no trace of the program's inside.</summary>
    public static void Refused(string[] args, params string[] said)
    {
        Result result = Run(args);
        Assert.True(result.ExitCode == 2 && result.Output.Length == 0, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
        Assert.All(said, text => Assert.Contains(text, result.Errors, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }

    /// <summary>Runs it with an environment variable.</summary>
    public static Result RunWith(string variable, string value, params string[] args)
    {
        using var running = new MarrowProcess(args, (variable, value));
        return running.Wait();
    }

    public Result Wait()
    {
        process.WaitForExit();
        return new Result(process.ExitCode, output.Result, errors.Result);
    }

    /// <summary>kill -9.</summary>
    public void Kill() => process.Kill();

    /// <summary>What Ctrl-C sends; only where there are POSIX signals.</summary>
    public void Interrupt()
    {
        using Process kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        if (Running)
            process.Kill();
        process.Dispose();
    }
}
