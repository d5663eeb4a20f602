using System.Diagnostics;
using System.Globalization;

namespace Marrow.Host.Tests;

/// <summary>Runs the built program, which stands beside the test assembly.</summary>
internal sealed class MarrowProcess : IDisposable
{
    private readonly Process process;
    private readonly Task<string> output;
    private readonly Task<string> errors;

    private MarrowProcess(string[] args)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Repository.Root };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "marrow.dll"));
        foreach (string arg in args)
            start.ArgumentList.Add(arg);
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
