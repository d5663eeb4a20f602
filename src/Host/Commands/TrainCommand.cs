using System.CommandLine;
using Marrow.Host.CommandLine;
using Marrow.Host.Jobs;

namespace Marrow.Host.Commands;

/// <summary><c>marrow train JOB.yaml</c>: one training job.</summary>
internal static class TrainCommand
{
    public static CliCommand Create()
    {
        var job = new Argument<string>("JOB") { Description = "The job file (YAML)" };
        var set = new Option<string[]>("--set") { Description = "Set a key of the job, as in --set training.max_steps=5; may be repeated", HelpName = "key=value" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Check the job and show it with every default, without training", Required = true };
        var command = new Command("train", "Run one training job") { job, set, dryRun };
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, _) =>
        {
            JobFile file = JobFile.Load(parse.GetRequiredValue(job), parse.GetValue(set) ?? []);
            JobPaths.Check(file);
            context.Report(new { job = ResolvedJob.ToJson(file.Spec) }, output => output.Write(ResolvedJob.ToYaml(file.Spec)));
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow train job.yaml", "marrow train job.yaml --set training.max_steps=5 --set output.dir=runs/short");
    }
}
