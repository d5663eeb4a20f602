using System.CommandLine;

namespace Marrow.Host.Commands;

/// <summary>A command with the examples that its help shows.</summary>
internal sealed record CliCommand(Command Command, params string[] Examples)
{
    /// <summary>Every command, in the order of the help.</summary>
    public static IEnumerable<CliCommand> All() =>
        [
            QuickstartCommand.Create(), TrainCommand.Create(), EvalCommand.Create(), GenerateCommand.Create(), LogitsCommand.Create(), MergeCommand.Create(), ConvertCommand.Create(),
            InspectCommand.Create(), TokenizeCommand.Create(), DoctorCommand.Create(), TuneCommand.Create(),
        ];
}
