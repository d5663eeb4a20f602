using System.CommandLine;

namespace Marrow.Host.CommandLine;

/// <summary>Rules that options' values must keep, told as wrong usage.</summary>
internal static class OptionRule
{
    /// <summary>Adds a rule: <paramref name="message"/> is told where the option's value does not hold to it.</summary>
    public static void Require<T>(this Option<T> option, Func<T, bool> holds, string message) => option.Validators.Add(result =>
    {
        try
        {
            if (result.GetValueOrDefault<T>() is { } value && !holds(value))
                result.AddError(message);
        }
        catch (InvalidOperationException)
        {
            // The text is no value of the option's type: the parser itself reports that.
        }
    });
}
