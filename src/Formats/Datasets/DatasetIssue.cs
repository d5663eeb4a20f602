namespace Marrow.Formats.Datasets;

/// <summary>
/// One finding in a data file. Errors: DS010 not valid Unicode, DS011 not JSON, DS012 not an object, DS013 of no known kind,
/// DS014 of another kind than the file, DS015 field missing, DS016 field of the wrong type, DS017 field empty, DS018 unknown role,
/// DS019 no assistant turn, DS021 the chat template refuses the conversation, DS022 the chat template rewrites earlier turns,
/// DS023 ids and labels differ in number, DS024 id or label outside the vocabulary,
/// DS055 special tokens written out in a message that cannot be kept apart from the template's own.
/// Warnings: DS050 duplicate row, DS051 turns do not alternate, DS052 ends with an untrained turn, DS053 row dropped because no
/// target is left, DS054 field ignored, DS055 special token written out in the text, DS056 a token spans the start of a reply,
/// DS057 turns do not end with a special token, DS058 the tokenizer has no end-of-sequence token.
/// </summary>
/// <param name="Line">The line in the file, from 1.</param>
/// <param name="Column">The character in the line, from 1, where that is known.</param>
/// <param name="Code">The stable code.</param>
/// <param name="Message">What is wrong, and the remedy.</param>
public sealed record DatasetIssue(int Line, int? Column, string Code, string Message)
{
    /// <summary>"line 7, column 12: … [DS011]".</summary>
    public override string ToString() =>
        Column is int column
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"line {Line}, column {column}: {Message} [{Code}]")
            : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"line {Line}: {Message} [{Code}]");
}
