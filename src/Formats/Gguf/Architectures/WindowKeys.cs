using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>Sliding windows as attention.sliding_window and attention.sliding_window_pattern: a period whose last layer attends in full, or true for each layer that slides.</summary>
internal static class WindowKeys
{
    private const int MostTokens = 1 << 30;
    private const string Window = "attention.sliding_window", Pattern = "attention.sliding_window_pattern";

    /// <summary>The window of each layer; <paramref name="period"/> and <paramref name="window"/> are the architecture's own where the file says none. A period of null: every layer slides.</summary>
    public static IReadOnlyList<int?> Read(GgufKeys keys, int layers, int? period, int? window = null)
    {
        int? size = keys.Size(Window, MostTokens, 0) ?? window;
        if (size is null or 0)
            return [];
        string key = keys.Key(Pattern);
        if (keys.Values.Values.GetValueOrDefault(key) is { IsArray: true } list)
        {
            bool[] slides = list.Content switch
            {
                bool[] flags => flags,
                long[] numbers => [.. numbers.Select(n => n != 0)],
                _ => throw keys.Values.Error("GA005", key, "must be a list of truth values"),
            };
            return slides.Length == layers ? Of(slides, size)
                : throw keys.Values.Error("GA005", key, $"has {slides.Length} entries for {layers} layers");
        }
        // A period of 1 is no layer that slides, of 0 none that does not.
        return Of([.. Slides(keys.Size(Pattern, MostTokens, 0) ?? period, layers)], size);
    }

    /// <summary>Puts the keys; the pattern only where it is not the architecture's own.</summary>
    public static void Write(GgufKeys keys, IReadOnlyList<int?> windows, int? period, int? window = null)
    {
        int?[] sizes = [.. windows.Where(w => w is not null).Distinct()];
        if (sizes is not [{ } size, ..])
        {
            // Without the keys, layers of an architecture with a window of its own would slide.
            if (window is { } own)
            {
                keys.Set(Window, own);
                keys.Set(Pattern, 1);
            }
            return;
        }
        if (sizes.Length > 1)
            throw keys.Values.Error("GA006", keys.Key(Window), $"can name one size, but the layers' windows are of {sizes.Length} different sizes; keep the model in another kind of file");
        keys.Set(Window, size);
        bool[] slides = [.. windows.Select(w => w is not null)];
        if (slides.SequenceEqual(Slides(period, slides.Length)))
            return;
        if (PeriodOf(slides) is { } other)
            keys.Set(Pattern, other);
        else
            keys.Values.Set(keys.Key(Pattern), new GgufValue(GgufType.Bool, slides));
    }

    /// <summary>Whether one number says which layers slide; llama.cpp passes over a list of an architecture that has a period of its own.</summary>
    public static bool IsPeriodic(IReadOnlyList<int?> windows, int period)
    {
        bool[] slides = [.. windows.Select(w => w is not null)];
        return Array.TrueForAll(slides, s => !s) || slides.SequenceEqual(Slides(period, slides.Length)) || PeriodOf(slides) is not null;
    }

    // 0 where all slide.
    private static int? PeriodOf(bool[] slides) => Array.IndexOf(slides, false) + 1 is not 1 and var first && slides.SequenceEqual(Slides(first, slides.Length)) ? first : null;

    private static IEnumerable<bool> Slides(int? period, int layers) => Enumerable.Range(0, layers).Select(l => period is null or 0 || (l + 1) % period != 0);

    private static int?[] Of(bool[] slides, int? size) => Array.TrueForAll(slides, s => !s) ? [] : [.. slides.Select(s => s ? size : null)];
}
