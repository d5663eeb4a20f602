using System.Text.RegularExpressions;
using Marrow.Formats;

namespace Marrow.Adapters.Targets;

/// <summary>
/// Which modules are meant, as PEFT writes it: a list of name endings, one regular expression that must match the whole path, or
/// "all-linear" (spec/adapters.md §4.4).
/// </summary>
public sealed record ModulePattern
{
    /// <summary>The word for every linear layer but the output head.</summary>
    public const string AllLinear = "all-linear";

    // A pattern may come from a stranger's file; a hostile one would run for ever.
    private static readonly TimeSpan LongestMatch = TimeSpan.FromSeconds(0.5);
    private readonly Regex? _expression;

    /// <summary>A list of names: each means the module of that path and every module whose path ends in ".name".</summary>
    public ModulePattern(params IReadOnlyList<string> names) => Names = names;

    /// <summary>"all-linear" or a regular expression.</summary>
    /// <exception cref="MarrowException">AD006 it is not a regular expression.</exception>
    public ModulePattern(string text)
    {
        Text = text;
        if (!IsAllLinear)
            _expression = Compile($@"\A(?:{text})\z", text);
    }

    /// <summary>Name endings, or null.</summary>
    public IReadOnlyList<string>? Names { get; }

    /// <summary>"all-linear" or a regular expression, or null.</summary>
    public string? Text { get; }

    /// <summary>Whether every linear layer is meant.</summary>
    public bool IsAllLinear => AllLinear.Equals(Text, StringComparison.OrdinalIgnoreCase);

    /// <summary>The regular expression, or null.</summary>
    public string? Expression => IsAllLinear ? null : Text;

    /// <summary>Whether a module path is meant; "all-linear" means every path that is asked for.</summary>
    /// <exception cref="MarrowException">AD006 the expression takes too long.</exception>
    public bool Matches(string path)
    {
        if (Names is null)
            return _expression is null || IsMatch(_expression, path, Text!);
        foreach (string name in Names)
        {
            if (IsAt(path, name))
                return true;
        }
        return false;
    }

    /// <summary>Whether a path is <paramref name="name"/> or ends in it after a dot.</summary>
    internal static bool IsAt(string path, string name) => path.EndsWith(name, StringComparison.Ordinal)
        && (path.Length == name.Length || path[path.Length - name.Length - 1] == '.');

    /// <summary>Compiles an expression made of <paramref name="given"/>, with a limit on its running time.</summary>
    internal static Regex Compile(string expression, string given)
    {
        try
        {
            return new Regex(expression, RegexOptions.CultureInvariant, LongestMatch);
        }
        catch (ArgumentException e)
        {
            throw new MarrowException("AD006", $"'{Echo.Name(given)}' is not a regular expression: {Echo.Reason(e)} [AD006]", e);
        }
    }

    internal static bool IsMatch(Regex regex, string path, string given) => Match(regex, path, given).Success;

    internal static Match Match(Regex regex, string path, string given)
    {
        try
        {
            return regex.Match(path);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new MarrowException("AD006", $"The regular expression '{Echo.Name(given)}' took more than {LongestMatch.TotalMilliseconds} ms "
                + $"on '{Echo.Name(path)}'; write it without nested repetition, or give a list of names. [AD006]", e);
        }
    }
}
