using Marrow.Formats.ChatTemplates;

namespace Marrow.Formats.Tokenizers.World;

/// <summary>
/// The chat form of RWKV World models (spec/architectures.md §3.5): id 0, then turns "User: …", "Assistant: …", "System: …", each followed by a blank line; a
/// finished conversation ends with id 0, as any document does. A folder's own template takes the place of the form, not of the end.
/// </summary>
internal sealed class WorldChatTemplate(IChatTemplate turns) : IChatTemplate
{
    private const string Form =
        """
        {{ bos_token }}
        {%- for message in messages %}
            {%- if message.role == 'user' %}
                {{- 'User: ' }}
            {%- elif message.role == 'assistant' %}
                {{- 'Assistant: ' }}
            {%- elif message.role == 'system' %}
                {{- 'System: ' }}
            {%- else %}
                {{- raise_exception('the World chat form has no turns of the role ' + message.role) }}
            {%- endif %}
            {{- message.content | trim + '\n\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
            {{- 'Assistant:' }}
        {%- endif %}
        """;

    /// <summary>The built-in form; <paramref name="endText"/> is the text of id 0.</summary>
    public static WorldChatTemplate BuiltIn(string endText) =>
        new(new JinjaChatTemplate(Form, "the built-in World chat form", new Dictionary<string, string> { ["bos_token"] = endText }));

    /// <inheritdoc/>
    public bool EndsWithEos => true;

    /// <inheritdoc/>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt) => turns.Render(messages, addGenerationPrompt);
}
