using System.Text.RegularExpressions;
using Marrow.Formats;

namespace Marrow.Host.Inspecting;

/// <summary>Lists tensors for people: those that differ only in a number stand on one line.</summary>
internal static partial class TensorTable
{
    /// <summary>One line for each group, or with <paramref name="all"/> for each tensor.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<InspectedTensor> tensors, bool all)
    {
        var groups = tensors.GroupBy(t => (Name: all ? t.Name : Number().Replace(t.Name, "{}"), t.Dtype, Shape: string.Join(',', t.Shape)))
            .Select(g => (Name: Echo.Name(g.Count() == 1 ? g.First().Name : Numbered(g.Key.Name, [.. g.Select(t => t.Name)])), g.Key.Dtype, g.Key.Shape, Count: g.Count(), Values: Together(g))).ToList();
        int width = Math.Min(70, groups.Select(g => g.Name.Length).DefaultIfEmpty().Max());
        return groups.Select(g => $"{g.Name.PadRight(width)}  {g.Dtype,-5} [{g.Shape}]{(g.Count > 1 ? $"  × {g.Count}" : "")}{(g.Values is null ? "" : $"  {g.Values}")}");
    }

    private static TensorStatistics? Together(IEnumerable<InspectedTensor> tensors)
    {
        TensorStatistics[] each = [.. tensors.Select(t => t.Values).OfType<TensorStatistics>()];
        return each.Length == 0 ? null : each.Aggregate((a, b) => a.With(b));
    }

    /// <summary>"layers.{0…31}.q" where one number varies without gaps; else the braces stay empty.</summary>
    private static string Numbered(string pattern, string[] names)
    {
        if (pattern.Split("{}").Length != 2)
            return pattern;
        int[] numbers = [.. names.Select(n => int.TryParse(Number().Match(n).Value.Trim('.'), out int number) ? number : -1).Order()];
        return numbers[^1] - numbers[0] == numbers.Length - 1 ? pattern.Replace("{}", $"{{{numbers[0]}…{numbers[^1]}}}", StringComparison.Ordinal) : pattern;
    }

    [GeneratedRegex(@"(?<=\.)\d{1,6}(?=\.)", RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}
