namespace Marrow.Formats.Datasets;

/// <summary>One row as it was read, before it is tokenised.</summary>
internal abstract record DatasetRow;

internal sealed record TextRow(string Text) : DatasetRow;

internal sealed record CompletionRow(string Prompt, string Completion) : DatasetRow;

internal sealed record ChatRow(IReadOnlyList<ChatMessage> Messages) : DatasetRow;

internal sealed record AlpacaRow(string Instruction, string Input, string Output) : DatasetRow;

internal sealed record TokensRow(int[] Ids, int[]? Labels) : DatasetRow;

internal sealed record ItemRow(int[] Tokens) : DatasetRow;
