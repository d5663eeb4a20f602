using System.Threading.Channels;
using Marrow.Host.Machines;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Marrow.Host.Training;

/// <summary>Trains the jobs that are handed in, one after the other, wherever they come from.</summary>
internal sealed class TrainingJob(IHostApplicationLifetime application, DeviceOpener devices, TimeProvider time, ILogger<TrainingJob> log) : BackgroundService
{
    private readonly Channel<Entry> entries = Channel.CreateUnbounded<Entry>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Hands in a job; the task ends with the run. Ctrl-C ends it after a checkpoint.</summary>
    public Task<RunOutcome> Run(TrainingRequest request)
    {
        var entry = new Entry(request, new TaskCompletionSource<RunOutcome>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!entries.Writer.TryWrite(entry))
            throw new OperationCanceledException("the program is ending");
        return entry.Done.Task;
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (Entry entry in entries.Reader.ReadAllAsync(stoppingToken).ConfigureAwait(false))
            await Task.Run(() => Train(entry), CancellationToken.None).ConfigureAwait(false);
    }

    private void Train(Entry entry)
    {
        try
        {
            entry.Done.SetResult(TrainingRun.Execute(entry.Request, devices, time, log, application.ApplicationStopping));
        }
#pragma warning disable CA1031 // handed to whoever waits for the run
        catch (Exception error)
#pragma warning restore CA1031
        {
            entry.Done.SetException(error);
        }
    }

    private sealed record Entry(TrainingRequest Request, TaskCompletionSource<RunOutcome> Done);
}
