namespace Marrow.Host.CommandLine;

/// <summary>What a command's exit status says; scripts rely on it.</summary>
public static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Failed for a reason that is not the user's input.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage or bad input; the message names the remedy.</summary>
    public const int BadInput = 2;

    /// <summary>Cancelled by Ctrl-C or SIGTERM.</summary>
    public const int Cancelled = 130;
}
