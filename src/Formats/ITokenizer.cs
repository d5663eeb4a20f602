namespace Marrow.Formats;

/// <summary>Text to token ids and back. Immutable after loading and safe for concurrent use.</summary>
public interface ITokenizer
{
    /// <summary>One more than the largest id.</summary>
    int VocabularySize { get; }

    /// <summary>The id that starts a text, where the tokenizer has one.</summary>
    int? BosId { get; }

    /// <summary>The id that ends a text, where the tokenizer has one.</summary>
    int? EosId { get; }

    /// <summary>
    /// Token ids of <paramref name="text"/>. <paramref name="addSpecial"/> adds what the file's post-processor adds (BOS, EOS);
    /// <paramref name="parseSpecial"/> recognises special tokens written out in the text (a chat template's output needs it, a user's text must not have it).
    /// </summary>
    IReadOnlyList<int> Encode(string text, bool addSpecial, bool parseSpecial);

    /// <summary>The id of a token's exact text (as "&lt;|im_end|&gt;"), or null.</summary>
    int? IdOf(string token);

    /// <summary>Whether the id is a special token, which <see cref="Decode"/> leaves out on request.</summary>
    bool IsSpecial(int id);

    /// <summary>The text of a sequence; invalid UTF-8 becomes U+FFFD.</summary>
    string Decode(IEnumerable<int> ids, bool skipSpecial);

    /// <summary>A decoder for tokens that arrive one by one; it holds back incomplete characters.</summary>
    IStreamingDecoder CreateStreamingDecoder(bool skipSpecial);
}

/// <summary>Decodes tokens as they arrive.</summary>
public interface IStreamingDecoder
{
    /// <summary>Adds a token and returns the text that is now certain, which may be empty.</summary>
    string Push(int id);

    /// <summary>Returns what was held back; incomplete characters become U+FFFD.</summary>
    string Flush();
}

/// <summary>Turns a conversation into the model's own prompt format.</summary>
public interface IChatTemplate
{
    /// <summary>Whether a conversation that ends with the assistant's turn is followed by the tokenizer's EOS, which <see cref="Render"/> does not write.</summary>
    bool EndsWithEos => false;

    /// <summary>The prompt text of <paramref name="messages"/>; with <paramref name="addGenerationPrompt"/> it ends where the assistant begins to speak.</summary>
    /// <exception cref="MarrowException">The template uses a construct that is not supported, or refuses the conversation.</exception>
    string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt);
}

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">"system", "user", "assistant" or "tool".</param>
/// <param name="Content">The text.</param>
public sealed record ChatMessage(string Role, string Content);
