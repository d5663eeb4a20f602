namespace Marrow.Formats.Tokenizers;

/// <summary>What a token is for, by the numbers that sentencepiece and GGUF share (spec/formats.md §2.7, §5.3).</summary>
internal enum TokenType
{
    /// <summary>A piece of text.</summary>
    Normal = 1,

    /// <summary>Stands for what has no token.</summary>
    Unknown,

    /// <summary>Steers, and is never found in ordinary text.</summary>
    Control,

    /// <summary>Found in the text before the model sees it.</summary>
    UserDefined,

    /// <summary>A row without a meaning.</summary>
    Unused,

    /// <summary>One byte, spelt <c>&lt;0xHH&gt;</c>.</summary>
    Byte,
}
