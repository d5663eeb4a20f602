namespace Marrow.Formats.Datasets;

/// <summary>
/// The prompt of an alpaca row for a model without a chat template: the line "### Instruction:", the instruction, a blank line, and
/// where the input is not empty the line "### Input:", the input and a blank line; then the line "### Response:" with its line end.
/// The output follows directly. There is no introductory sentence.
/// </summary>
public static class AlpacaPrompt
{
    /// <summary>The prompt text; the same text must precede the model's answer at generation time.</summary>
    public static string Write(string instruction, string input)
    {
        ArgumentNullException.ThrowIfNull(input);
        string given = input.Length == 0 ? "" : $"### Input:\n{input}\n\n";
        return $"### Instruction:\n{instruction}\n\n{given}### Response:\n";
    }
}
