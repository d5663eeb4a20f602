namespace Marrow.Formats.Datasets;

/// <summary>How a data file becomes training examples.</summary>
public sealed record DatasetOptions
{
    /// <summary>The kind of rows; <see cref="DatasetFormat.Auto"/> reads it off the first row.</summary>
    public DatasetFormat Format { get; init; } = DatasetFormat.Auto;

    /// <summary>The most tokens of one example (at least 2); the beginning of a longer one is kept, and the cut is counted.</summary>
    public int MaxLength { get; init; } = 512;

    /// <summary>Whether only completions and assistant turns are trained; false trains every token of every row of text.</summary>
    public bool MaskPrompt { get; init; } = true;

    /// <summary>
    /// Whether special tokens written out in the text of text, completion and (untemplated) alpaca rows become those tokens,
    /// for texts that were already put into a chat format. Off, they are plain characters, and a warning says where.
    /// </summary>
    public bool ParseSpecialTokens { get; init; }

    /// <summary>The format named by <c>data.format</c>.</summary>
    /// <exception cref="MarrowException">DS005: no such format.</exception>
    public static DatasetFormat ParseFormat(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (DatasetFormat format in Enum.GetValues<DatasetFormat>())
            if (name.Equals(format.ToString(), StringComparison.OrdinalIgnoreCase))
                return format;
        throw new MarrowException("DS005",
            $"data.format: {Echo.Quote(name)} is not a format; use auto, text, completion, chat, alpaca, tokens or binidx [DS005]");
    }
}
