namespace Marrow.Formats.Tokenizers;

/// <summary>A token that is found in the text before the model sees it (spec/formats.md §7.6, added_tokens).</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its exact text.</param>
/// <param name="Special">A control token, not a piece of ordinary text.</param>
/// <param name="SingleWord">Only found where no word character stands beside it.</param>
/// <param name="LeftStrip">Absorbs the white space before it.</param>
/// <param name="RightStrip">Absorbs the white space after it.</param>
/// <param name="Normalized">Looked for in the normalised text instead of the raw text.</param>
internal sealed record AddedToken(int Id, string Content, bool Special, bool SingleWord = false, bool LeftStrip = false, bool RightStrip = false, bool Normalized = false)
{
    /// <summary>Longer contents are refused: matching costs text length times this in the worst case.</summary>
    public const int LongestContent = 1024;

    public static AddedToken Read(JsonAt json) => Read(json, json.Required("id").Id());

    /// <summary>The same where the id stands elsewhere.</summary>
    public static AddedToken Read(JsonAt json, int id)
    {
        string content = json.Text("content");
        if (content.Length is 0 or > LongestContent)
            throw json.Error("TK009", $"an added token has {content.Length} characters; 1 to {LongestContent} are allowed");
        return new AddedToken(
            id,
            content,
            json.Flag("special", false),
            json.Flag("single_word", false),
            json.Flag("lstrip", false),
            json.Flag("rstrip", false),
            json.Flag("normalized", false));
    }
}
