using Marrow.Formats.ChatTemplates;

namespace Marrow.Formats.Tests.ChatTemplates;

/// <summary>Templates in the style of published models, with the text that their formats ask for.</summary>
public class ModelTemplateTests
{
    private static readonly ChatMessage System = new("system", " Be kind. "), User = new("user", "Hi\n"), Assistant = new("assistant", "Hello."), Again = new("user", "Bye");

    private static JinjaChatTemplate Template(string source) =>
        new(source, "test", new Dictionary<string, string> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" });

    [Fact]
    public void Llama3()
    {
        JinjaChatTemplate template = Template("""
            {{- bos_token }}
            {%- if messages[0]['role'] == 'system' %}
                {%- set system_text = messages[0]['content'] | trim %}
                {%- set rest = messages[1:] %}
            {%- else %}
                {%- set system_text = "" %}
                {%- set rest = messages %}
            {%- endif %}
            {#- The header stands even without a system text. #}
            {{- "<|start_header_id|>system<|end_header_id|>\n\n" + system_text + "<|eot_id|>" }}
            {%- for message in rest %}
                {%- if not (message.role == 'ipython' or 'tool_calls' in message) %}
                    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
            {%- endif %}
            """);
        Assert.Equal(
            "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>" +
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>",
            template.Render([System, User, Assistant], addGenerationPrompt: false));
        Assert.Equal(
            "<s><|start_header_id|>system<|end_header_id|>\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            template.Render([Again], addGenerationPrompt: true));
    }

    [Fact]
    public void Mistral()
    {
        JinjaChatTemplate template = Template(
            "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" +
            "{{ raise_exception('roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}" +
            "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}");
        Assert.Equal("<s>[INST] Hi\n [/INST] Hello.</s>[INST] Bye [/INST]", template.Render([User, Assistant, Again], true));
        var error = Assert.Throws<MarrowException>(() => template.Render([User, Again], true));
        Assert.Equal("CT003", error.Code);
        Assert.Contains("roles must alternate", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ChatMl()
    {
        // The tags' own lines vanish: trim_blocks takes the newline behind them, lstrip_blocks the indentation.
        JinjaChatTemplate template = Template("""
            {% for message in messages %}
                {% if loop.first and message.role != 'system' %}
            <|im_start|>system
            Default.<|im_end|>
                {% endif %}
            <|im_start|>{{ message.role }}
            {{ message.content }}<|im_end|>
            {% endfor %}
            {% if add_generation_prompt %}
            <|im_start|>assistant
            {% endif %}

            """);
        // A newline after a print tag stays.
        Assert.Equal(
            "<|im_start|>system\nDefault.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
            template.Render([Again], addGenerationPrompt: true));
        Assert.Equal("<|im_start|>system\n Be kind. <|im_end|>\n", template.Render([System], addGenerationPrompt: false));
    }

    [Fact]
    public void Zephyr()
    {
        JinjaChatTemplate template = Template(
            "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n" +
            "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n" +
            "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}");
        Assert.Equal("<|user|>\nBye</s>\n<|assistant|>\nHello.</s>\n<|user|>\nBye</s>\n<|assistant|>\n", template.Render([Again, Assistant, Again], true));
    }

    [Fact]
    public void The_date_comes_from_the_clock()
    {
        var clock = new FixedClock(new DateTimeOffset(2024, 7, 3, 15, 4, 5, TimeSpan.Zero));
        var template = new JinjaChatTemplate(
            "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y, %A %B %j %I:%M:%S %p %H %y %%') }}{% endif %}", "test", new Dictionary<string, string>(), clock);
        Assert.Equal("03 Jul 2024, Wednesday July 185 03:04:05 PM 15 24 %", template.Render([], false));
    }

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => now;
    }
}
