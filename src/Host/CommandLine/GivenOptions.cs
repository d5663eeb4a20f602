using System.CommandLine;

namespace Marrow.Host.CommandLine;

/// <summary>Tells options that were given from those that have their defaults.</summary>
internal static class GivenOptions
{
    /// <summary>Whether an option was given.</summary>
    public static bool Gives(this ParseResult parse, Option option) => parse.GetResult(option) is { Implicit: false };

    /// <summary>The first of some options that was given; null where none was.</summary>
    public static Option? FirstGiven(this ParseResult parse, params IEnumerable<Option> options) => options.FirstOrDefault(parse.Gives);
}
