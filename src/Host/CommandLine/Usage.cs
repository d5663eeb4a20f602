using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Marrow.Formats;

namespace Marrow.Host.CommandLine;

/// <summary>Finds what is wrong with how the program was called.</summary>
internal static partial class Usage
{
    /// <summary>The message for a wrong call, or null when the call is fine.</summary>
    public static string? Error(ParseResult parse, string[] args)
    {
        Command command = parse.CommandResult.Command;
        string help = $"See '{(command is RootCommand ? "marrow" : $"marrow {command.Name}")} --help'.";
        if (UnknownOption(parse, args) is { } option)
            return $"unknown option {Echo.Name(option)}{Hint(option, Options(parse))} {help}";
        if (parse.Action is not ParseErrorAction)
            return EmptyPath(parse) is { } empty ? $"{empty} is empty; give a path. {help}" : null;
        if (command is RootCommand && parse.UnmatchedTokens.Count == 0)
            return $"no command given; the commands are {string.Join(", ", command.Subcommands.Select(c => c.Name))}. {help}";
        if (command is RootCommand && parse.UnmatchedTokens is [{ } word, ..])
            return $"unknown command '{Echo.Name(word)}'{Hint(word, command.Subcommands.Select(c => c.Name))} {help}";
        return $"{string.Join(' ', parse.Errors.Select(Text))} {help}";
    }

    /// <summary>The parser's message on one line, in the user's words.</summary>
    private static string Text(ParseError error)
    {
        if (error.SymbolResult is ArgumentResult { Tokens.Count: 0, Parent: CommandResult } missing)
            return $"{missing.Argument.Name} is missing.";
        Match type = WrongType().Match(error.Message);
        return type.Success ? $"{type.Groups["name"].Value}: {Echo.Quote(type.Groups["value"].Value)} is not {(type.Groups["type"].Value.Contains("Int", StringComparison.Ordinal) ? "a whole number of its range" : "a number")}."
            : Echo.Name(Blank().Replace(error.Message, " ").Trim(), 600);
    }

    /// <summary>The first path that was given as an empty text.</summary>
    private static string? EmptyPath(ParseResult parse)
    {
        foreach (SymbolResult part in parse.CommandResult.Children)
        {
            if (part is ArgumentResult { Tokens: [{ Value: "" }, ..] } argument)
                return argument.Argument.Name;
            if (part is OptionResult { Option.HelpName: "path" or "file" or "folder", Tokens: [{ Value: "" }, ..] } option)
                return option.Option.Name;
        }
        return null;
    }

    [GeneratedRegex(@"^Cannot parse argument '(?<value>.*)' for (option|command|argument) '(?<name>.*)' as expected type '(?<type>.*)'\.$", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex WrongType();

    [GeneratedRegex(@"\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Blank();

    /// <summary>
    /// The first argument that looks like an option and is none. The parser itself would take it for a file name or for
    /// another option's value; a value that begins so and has no space is written --option=--value.
    /// </summary>
    private static string? UnknownOption(ParseResult parse, string[] args)
    {
        HashSet<string> known = [.. Options(parse)];
        return args.TakeWhile(a => a != "--")
            .Where(a => a.Length > 2 && a.StartsWith("--", StringComparison.Ordinal) && !a.Any(char.IsWhiteSpace))
            .Select(a => a.Split('=', 2)[0])
            .FirstOrDefault(a => !known.Contains(a));
    }

    private static IEnumerable<string> Options(ParseResult parse)
    {
        for (SymbolResult? at = parse.CommandResult; at is CommandResult result; at = at.Parent)
            foreach (Option option in result.Command.Options)
                foreach (string name in option.Aliases.Prepend(option.Name))
                    yield return name;
    }

    private static string Hint(string word, IEnumerable<string> names) =>
        NearNames.Of(word, names, 1) is [var near] ? $"; did you mean {near}?" : ".";
}
