namespace Marrow.Formats.Datasets;

/// <summary>The kind of rows of a JSONL training file, or binidx (<c>data.format</c>).</summary>
public enum DatasetFormat
{
    /// <summary>Decided by the keys of the first row; a path that ends in .idx or .bin is binidx.</summary>
    Auto,

    /// <summary><c>{"text": …}</c>: the whole text is trained, and the end-of-sequence token after it.</summary>
    Text,

    /// <summary><c>{"prompt": …, "completion": …}</c>: the completion is trained, and the end-of-sequence token after it.</summary>
    Completion,

    /// <summary><c>{"messages": [{"role": …, "content": …}, …]}</c>: the assistant's turns are trained.</summary>
    Chat,

    /// <summary><c>{"instruction": …, "input": …, "output": …}</c>, input optional: the output is trained.</summary>
    Alpaca,

    /// <summary><c>{"input_ids": […], "labels": […]}</c>, labels optional: taken as they are.</summary>
    Tokens,

    /// <summary>The items of a <see cref="BinIdx.BinIdxFile"/>: every token is trained, and nothing is added (items carry their end-of-text token).</summary>
    BinIdx,
}
