using Marrow.Formats;
using Marrow.Formats.Datasets;
using Spectre.Console;

namespace Marrow.Host.Training;

/// <summary>Shows which tokens of an example are trained.</summary>
internal static class ExampleView
{
    private const int MaxTokens = 400;

    /// <summary>The tokens; without a tokenizer their ids stand for texts.</summary>
    public static IReadOnlyList<PreviewPiece> Pieces(TokenSpans example, ITokenizer? tokenizer)
    {
        if (tokenizer is not null)
            return ExamplePreview.Of(example, tokenizer);
        var pieces = new PreviewPiece[example.Length];
        for (int t = 0; t < pieces.Length; t++)
            pieces[t] = new PreviewPiece(string.Create(null, $"{example.Ids[t]} "), example.Ids[t], t > 0 && example.Labels[t] != TokenExample.Ignore);
        return pieces;
    }

    /// <summary>Writes them: trained ones in colour on a terminal, between ⟦ and ⟧ elsewhere.</summary>
    public static void Write(TextWriter output, IAnsiConsole? console, IReadOnlyList<PreviewPiece> pieces)
    {
        bool colour = console is not null && console.Profile.Capabilities.ColorSystem != ColorSystem.NoColors;
        var paragraph = new Paragraph();
        foreach ((bool trained, string text) in Runs(pieces.Take(MaxTokens)))
        {
            string shown = Shown(text);
            if (colour)
                paragraph.Append(shown, trained ? new Style(Color.Green, decoration: Decoration.Bold) : new Style(Color.Grey));
            else
                output.Write(trained ? $"⟦{shown}⟧" : shown);
        }
        if (colour)
            console!.Write(paragraph);
        output.WriteLine(pieces.Count > MaxTokens ? FormattableString.Invariant($"… {pieces.Count - MaxTokens} more tokens") : "");
    }

    private static IEnumerable<(bool Trained, string Text)> Runs(IEnumerable<PreviewPiece> pieces)
    {
        bool trained = false;
        string text = "";
        foreach (PreviewPiece piece in pieces)
        {
            if (piece.Trained != trained && text.Length > 0)
            {
                yield return (trained, text);
                text = "";
            }
            (trained, text) = (piece.Trained, text + piece.Text);
        }
        if (text.Length > 0)
            yield return (trained, text);
    }

    /// <summary>Line ends stay, other control characters are escaped.</summary>
    private static string Shown(string text) => string.Join('\n', text.Split('\n').Select(line => Echo.Name(line, int.MaxValue)));
}
