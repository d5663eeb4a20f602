using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>
/// A chat template in the part of Jinja that published models use, with transformers' settings (trim_blocks, lstrip_blocks)
/// and its functions raise_exception and strftime_now. The template is untrusted: work, nesting and output are bounded, and
/// it reaches nothing but the conversation and, through strftime_now, today's date. Safe for concurrent use.
/// </summary>
public sealed class JinjaChatTemplate : IChatTemplate
{
    private readonly TemplateSource _source;
    private readonly Lazy<Block> _body;
    private readonly Dictionary<string, string> _specialTokens;
    private readonly TimeProvider _clock;

    /// <summary>
    /// Keeps <paramref name="source"/>, which is parsed when it is first used. <paramref name="file"/> stands in messages;
    /// <paramref name="specialTokens"/> maps bos_token, eos_token and the like to their texts; <paramref name="clock"/> answers strftime_now.
    /// </summary>
    public JinjaChatTemplate(string source, string file, IReadOnlyDictionary<string, string> specialTokens, TimeProvider? clock = null)
    {
        Source = source;
        _source = new TemplateSource(file);
        _body = new Lazy<Block>(() => TemplateParser.Parse(_source, source));
        _specialTokens = new Dictionary<string, string>(specialTokens);
        _clock = clock ?? TimeProvider.System;
    }

    /// <summary>The template as it stands in its file.</summary>
    public string Source { get; }

    /// <inheritdoc/>
    /// <exception cref="MarrowException">CT001: not well formed or not supported; CT002: cannot be evaluated; CT003: raised by the template; CT004: over a limit.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var run = new TemplateRun(_source, _clock);
        var scope = new TemplateScope();
        TemplateFunctions.AddTo(scope);
        foreach ((string role, string token) in _specialTokens)
            scope[role] = token;
        scope["messages"] = messages.Select(object? (m) => new TemplateMap { ["role"] = m.Role, ["content"] = m.Content }).ToList();
        scope["add_generation_prompt"] = addGenerationPrompt;
        scope["tools"] = null;
        scope["documents"] = null;
        var output = new StringBuilder();
        _body.Value.Execute(run, scope, output);
        return output.ToString();
    }
}
