namespace Marrow.Formats.Datasets;

/// <summary>What a model brings to the reading of training data.</summary>
/// <param name="Size">The rows of its embedding: every id and label lies below it.</param>
/// <param name="Tokenizer">Its tokenizer; only rows of ids can do without.</param>
/// <param name="ChatTemplate">Its chat template, where it has one.</param>
public sealed record ModelVocabulary(int Size, ITokenizer? Tokenizer = null, IChatTemplate? ChatTemplate = null);
