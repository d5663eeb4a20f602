namespace Marrow.Formats.Datasets;

/// <summary>One token of a preview.</summary>
/// <param name="Text">The text it completes; empty where a character needs further tokens.</param>
/// <param name="Id">Its id.</param>
/// <param name="Trained">Whether the model is trained to predict a label here; never at the first position, which nothing predicts.</param>
public readonly record struct PreviewPiece(string Text, int Id, bool Trained);

/// <summary>Shows an example as the model will see it, token by token.</summary>
public static class ExamplePreview
{
    /// <summary>The tokens of <paramref name="example"/>; their texts joined are the decoded example, special tokens included.</summary>
    public static IReadOnlyList<PreviewPiece> Of(TokenSpans example, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        IStreamingDecoder decoder = tokenizer.CreateStreamingDecoder(skipSpecial: false);
        var pieces = new PreviewPiece[example.Length];
        for (int t = 0; t < pieces.Length; t++)
        {
            string text = decoder.Push(example.Ids[t]);
            if (t == pieces.Length - 1)
                text += decoder.Flush();
            pieces[t] = new PreviewPiece(text, example.Ids[t], t > 0 && example.Labels[t] != TokenExample.Ignore);
        }
        return pieces;
    }
}
