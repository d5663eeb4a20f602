using System.Globalization;

namespace Marrow.Formats.Datasets;

/// <summary>
/// One finding in a data file. Errors: DS010 not valid Unicode, DS011 not JSON, DS012 not an object, DS013 of no known kind,
/// DS014 of another kind than the file, DS015 field missing, DS016 field of the wrong type, DS017 field empty, DS018 unknown role,
/// DS019 no assistant turn, DS021 the chat template refuses the conversation, DS022 the chat template rewrites earlier turns,
/// DS023 ids and labels differ in number, DS024 id or label outside the vocabulary,
/// DS055 special tokens written out in a message that cannot be kept apart from the template's own.
/// Warnings: DS050 duplicate row, DS051 turns do not alternate, DS052 ends with an untrained turn, DS053 row dropped because no
/// target is left, DS054 field ignored, DS055 special token written out in the text, DS056 a token spans the start of a reply,
/// DS057 turns do not end with a special token, DS058 the tokenizer has no end-of-sequence token,
/// DS059 the files are odd but can be read.
/// </summary>
/// <param name="Line">The line in the file, or the item of a binidx dataset, from 1; 0 for the file as a whole.</param>
/// <param name="Column">The character in the line, from 1, where that is known.</param>
/// <param name="Code">The stable code.</param>
/// <param name="Message">What is wrong, and the remedy.</param>
public sealed record DatasetIssue(int Line, int? Column, string Code, string Message)
{
    /// <summary>What <see cref="Line"/> counts: "line", or "item" in binidx.</summary>
    public string Unit { get; init; } = "line";

    /// <summary>"line 7, column 12: … [DS011]".</summary>
    public override string ToString()
    {
        string place = Line == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{Unit} {Line}{(Column is int column ? $", column {column}" : "")}: ");
        return $"{place}{Message} [{Code}]";
    }
}
