namespace Marrow.Formats.Datasets;

/// <summary>A conversation as the model sees it when it is to reply; made as training rows are, so that both agree token for token.</summary>
public static class ChatPrompt
{
    /// <summary>Token ids of <paramref name="messages"/> up to where the assistant begins. Special tokens written out in a message stay plain characters.</summary>
    /// <exception cref="MarrowException">DS055: a message cannot be kept apart from the template; CT001 to CT004: the template refuses the conversation.</exception>
    public static IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages, ITokenizer tokenizer, IChatTemplate template)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(template);
        var guarded = new GuardedConversation(messages, tokenizer, new SpecialTexts(tokenizer));
        return guarded.Encode(template.Render(guarded.Messages, addGenerationPrompt: true));
    }
}
