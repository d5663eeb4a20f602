using System.Text.RegularExpressions;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Targets;

namespace Marrow.Adapters.Converting;

/// <summary>The settings of PEFT that say the ranks and scales of given LoRA layers.</summary>
internal static class LoraSettings
{
    /// <summary>One rank and alpha for most layers, patterns for the others; <paramref name="pathOf"/> gives a layer's path in the model's files.</summary>
    public static LoraConfig Of(IReadOnlyList<LowRankLayer> layers, Func<string, string> pathOf)
    {
        bool byRoot = layers.All(l => l.Scale.IsByRoot);
        double Alpha(LowRankLayer l) => byRoot ? l.Scale.Alpha : l.Scale.PlainAlpha(l.Rank);
        int rank = Usual(layers.Select(l => l.Rank));
        double alpha = Usual(layers.Select(Alpha));
        return new LoraConfig
        {
            R = rank,
            LoraAlpha = alpha,
            UseRslora = byRoot,
            RankPattern = new([.. layers.Where(l => l.Rank != rank).Select(l => (Regex.Escape(pathOf(l.Module)), (double)l.Rank))]),
            AlphaPattern = new([.. layers.Where(l => Alpha(l) != alpha).Select(l => (Regex.Escape(pathOf(l.Module)), Alpha(l)))]),
            Targets = new TargetSelection { TargetModules = new([.. layers.Select(l => pathOf(l.Module))]) },
        };
    }

    private static T Usual<T>(IEnumerable<T> values) where T : notnull => values.GroupBy(v => v).MaxBy(g => g.Count())!.Key;
}
