using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;

namespace Marrow.Host.CommandLine;

/// <summary>Ctrl-C and SIGTERM ask the command to stop; a second one ends the process at once.</summary>
internal sealed class SignalLifetime(IHostApplicationLifetime application) : IHostLifetime, IDisposable
{
    private readonly List<PosixSignalRegistration> registrations = [];
    private int signals;

    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop));
        registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop));
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in registrations)
            registration.Dispose();
    }

    private void Stop(PosixSignalContext signal)
    {
        if (Interlocked.Increment(ref signals) > 1)
            return;
        signal.Cancel = true;
        application.StopApplication();
    }
}
