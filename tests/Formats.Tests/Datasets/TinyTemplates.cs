namespace Marrow.Formats.Tests.Datasets;

/// <summary>A chat template given as a function.</summary>
internal sealed class TinyTemplate(Func<IReadOnlyList<ChatMessage>, bool, string> render) : IChatTemplate
{
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt) => render(messages, addGenerationPrompt);

    /// <summary>ChatML: every turn between a start and an end token.</summary>
    public static TinyTemplate ChatMl { get; } = new((messages, prompt) =>
        string.Concat(messages.Select(m => $"<|im_start|>{m.Role}\n{m.Content.Trim()}<|im_end|>\n")) + (prompt ? "<|im_start|>assistant\n" : ""));

    /// <summary>Plain text without any special token.</summary>
    public static TinyTemplate Plain { get; } = new((messages, prompt) =>
        string.Concat(messages.Select(m => $"{m.Role}: {m.Content}\n")) + (prompt ? "assistant: " : ""));

    /// <summary>Shows the number of turns first, so that no render is the beginning of another.</summary>
    public static TinyTemplate Counting { get; } = new((messages, prompt) => $"{messages.Count}:" + ChatMl.Render(messages, prompt));

    /// <summary>Refuses system messages.</summary>
    public static TinyTemplate NoSystem { get; } = new((messages, prompt) =>
        messages.Any(m => m.Role == "system") ? throw new MarrowException("JJ001", "system role not supported") : ChatMl.Render(messages, prompt));
}
