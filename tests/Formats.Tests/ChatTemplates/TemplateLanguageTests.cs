using System.Globalization;
using Marrow.Formats.ChatTemplates;

namespace Marrow.Formats.Tests.ChatTemplates;

/// <summary>The template language; the expected texts are what Jinja2 3.1 writes with transformers' settings.</summary>
public class TemplateLanguageTests
{
    private static readonly ChatMessage[] Three = [new("user", "a"), new("assistant", "b"), new("user", "c")];

    private static string Render(string source) => new JinjaChatTemplate(source, "test", new Dictionary<string, string>()).Render(Three, false);

    [Theory]
    [InlineData("{% macro f(a, b='x') %}[{{ a }}|{{ b }}]{% endmacro %}{{ f(1) }}{{ f(2, b='y') }}{{ f('z','w') | upper }}", "[1|x][2|y][Z|W]")]
    [InlineData("{% set ns = namespace(n=0) %}{% for m in messages if m.role == 'user' %}{% set ns.n = ns.n + 1 %}{{ loop.index }}/{{ loop.length }} {{ loop.revindex }};{% else %}none{% endfor %}{{ ns.n }}", "1/2 2;2/2 1;2")]
    [InlineData("{% for m in [] %}x{% else %}none{% endfor %}", "none")]
    [InlineData("{% set x = 1 %}{% for i in range(3) %}{{ x }}{% set x = x + 1 %}{{ x }};{% endfor %}{{ x }}", "12;12;12;1")]
    [InlineData("{% for i in range(4) %}{% if i == 1 %}{% continue %}{% endif %}{{ y is defined }}{% set y = 1 %}{% if i == 2 %}{% break %}{% endif %}{% endfor %}{{ y is defined }}", "FalseFalseFalse")]
    [InlineData("{{ 1 + 2 * 3 }} {{ 2 * 3 ~ 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 1.0 }} {{ 0.1 + 0.2 }}", "7 64 3 -4 2 3.5 1.0 0.30000000000000004")]
    [InlineData("{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ not true or true }} {{ none }} {{ true and 'a' }} {{ 0 or [] or 'b' }} {{ not 'a' in 'abc' }}", "True False True None a b False")]
    [InlineData("{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-2:] }} {{ [1,2,3,4][::2] | join(',') }} {{ 'a😀b'[1] }} {{ 'a😀b'|length }} {{ 'abcdef'[4:1:-2] }}", "bcd fedcba ef 1,3 😀 3 ec")]
    [InlineData("{{ 'a,b,c'.split(',')|join('-') }} {{ ' a  b '.split()|join('-') }} {{ 'a,b,c'.split(',', 1)|last }} {{ 'xxaxx'.strip('x') }} {{ 'xa'.lstrip('x') }} {{ 'ax'.rstrip('x') }}", "a-b-c a-b b,c a a a")]
    [InlineData("{{ 'hello wOrld'.title() }} {{ 'hEllo'.capitalize() }} {{ 'aXa'.replace('a','b') }} {{ 'ab'.startswith(('x','a')) }} {{ 'ab'.endswith('b') }} {{ 'aB'.upper() ~ 'aB'.lower() }}", "Hello World Hello bXb True True ABab")]
    [InlineData("{{ {'a': 1, 'b': [1, 2.5, none, true, 'x\"\\n<>é']} | tojson }} {{ {'a': {'b': []}, 'c': [1]} | tojson(indent=2) }}", "{\"a\": 1, \"b\": [1, 2.5, null, true, \"x\\\"\\n<>é\"]} {\n  \"a\": {\n    \"b\": []\n  },\n  \"c\": [\n    1\n  ]\n}")]
    [InlineData("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }} {% endfor %}{{ {'a': 1}.get('z', 'd') }} {{ {'a': 1}['q'] is defined }} {{ 'a' in {'a': 1} }}", "a=1 b=2 d False True")]
    [InlineData("{{ messages | map(attribute='role') | list | tojson }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'in', ['user']) | map(attribute='content') | join('; ') }}", "[\"user\", \"assistant\", \"user\"] 2 b")]
    [InlineData("{{ nothing }}|{{ nothing | default('d') }}|{{ '' | default('e', true) }}|{{ nothing is defined }}|{{ 'x' if false }}|{{ messages[9] is defined }}", "|d|e|False||False")]
    [InlineData("{% set x %}a{{ 1 }}b{% endset %}{{ x | upper }}  {%+ if true %} y {% endif +%}\n z\n   {%- if true -%}   w   {%- endif %}\n\n  end\n", "A1B   y \n zw\n  end")]
    [InlineData("  {% if true %}\n   a\n  {% endif %}  \n{{ 1 }}\n  {{ 2 }}\n\n{# c #}\nx {% if true %}b{% endif %}\n  {% set a = 1 %}{% set b = 2 %}  \nq\n\n", "   a\n  \n1\n  2\n\nx b  \nq\n")]
    [InlineData("{{ \"a\\tb\\u00e9\\x41\\q\" }} {{ 'a' 'b' }} {{ \"it's\" }}", "a\tbéA\\q ab it's")]
    [InlineData("{{ 3 is odd }} {{ 4 is divisibleby 2 }} {{ 3 is not even }} {{ 'a' is string }} {{ none is none }} {{ [] is iterable }} {{ {} is mapping }} {{ 1 is eq 1 }} {{ 1 is in [1,2] }}", "True True True True True True True True True")]
    [InlineData("{{ [1,2]+[3] == [1,2,3] }} {{ 'b' > 'a' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'ab' * 2 }} {{ [3,4]|first }} {{ 'abc'|reverse }} {{ '5'|int + 1 }} {{ 'a\nb'|indent(2) }}", "True True True True abab 3 cba 6 a\n  b")]
    [InlineData("{% for a in [1,2] %}{% for b in [3,4] %}{{ a }}{{ b }}{{ loop.index }} {% endfor %}{{ loop.index }};{% endfor %}", "131 142 1;231 242 2;")]
    [InlineData("{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '^' }}>{{ loop.nextitem.role if not loop.last else '$' }} {% endfor %}", "^>assistant user>user assistant>$ ")]
    public void Writes_what_jinja_writes(string template, string expected) => Assert.Equal(expected, Render(template));

    [Theory]
    [InlineData("a\n{{ nothing.x }}", "CT002", 2, "'nothing'")]
    [InlineData("{{ messages[0].no.more }}", "CT002", 1, "'no'")]
    [InlineData("{{ 1 + 'a' }}", "CT002", 1, "a number + a string")]
    [InlineData("{{ 1 // 0 }}", "CT002", 1, "zero")]
    [InlineData("{{ nosuch(1) }}", "CT002", 1, "'nosuch'")]
    [InlineData("{{ 9223372036854775807 + 1 }}", "CT002", 1, "64 bits")]
    [InlineData("\n\n{{ 'a' | nosuch }}", "CT001", 3, "'nosuch'")]
    [InlineData("{{ 1 is nosuch }}", "CT001", 1, "'nosuch'")]
    [InlineData("{{ 'a'.nosuch() }}", "CT001", 1, "nosuch")]
    [InlineData("{{ 'a'.__class__.x() }}", "CT002", 1, "'__class__'")]
    [InlineData("{{ [1] }}", "CT001", 1, "a list")]
    [InlineData("\n{% import 'x' as y %}", "CT001", 2, "'import'")]
    [InlineData("{% break %}", "CT001", 1, "'break'")]
    [InlineData("{% if true %}x", "CT001", 1, "endif")]
    [InlineData("{% for x in 5 %}{% endfor %}", "CT002", 1, "a number")]
    [InlineData("{{ (1 }}", "CT001", 1, "does not end")]
    [InlineData("{{ }}", "CT001", 1, "end of the tag")]
    [InlineData("{{ 2 ** 3 }}", "CT001", 1, "'**'")]
    [InlineData("{{ 'a", "CT001", 1, "string does not end")]
    [InlineData("{# a", "CT001", 1, "comment does not end")]
    [InlineData("{{ 1 ; 2 }}", "CT001", 1, "';'")]
    [InlineData("{{ a ? b }}", "CT001", 1, "'?'")]
    [InlineData("{{ strftime_now('%Q') }}", "CT001", 1, "%Q")]
    [InlineData("{{ raise_exception('no') }}", "CT003", 1, "'no'")]
    [InlineData("{% set messages.x = 1 %}", "CT002", 1, "namespace")]
    public void Errors_name_the_line(string template, string code, int line, string part)
    {
        var error = Assert.Throws<MarrowException>(() => Render(template));
        Assert.Equal(code, error.Code);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"line {line}:"), error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")]
    [InlineData("{% macro f(n) %}{{ f(n - 1) if n }}{{ f(n - 1) if n }}{% endmacro %}{{ f(50) }}")]
    [InlineData("{{ 'abcdefgh' * 1000000000000 }}")]
    [InlineData("{% set n = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}")]
    [InlineData("{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}")]
    [InlineData("{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}")]
    [InlineData("{% set a = 'a' * 20000000 %}{% for i in range(1000) %}{{ (a + 'b') in a }}{% endfor %}")]
    [InlineData("{{ 'a' * 20000000 }}{{ 'a' * 20000000 }}")]
    public void Hostile_templates_end(string template) => Assert.Equal("CT004", Assert.Throws<MarrowException>(() => Render(template)).Code);

    [Fact]
    public void Deep_nesting_is_refused_and_does_not_overflow()
    {
        Assert.Equal("CT001", Assert.Throws<MarrowException>(() => Render("{{ " + new string('(', 50_000) + "1" + new string(')', 50_000) + " }}")).Code);
        Assert.Equal("CT001", Assert.Throws<MarrowException>(() => Render(string.Concat(Enumerable.Repeat("{% if true %}", 50_000)))).Code);
        Assert.Equal("CT004", Assert.Throws<MarrowException>(() => Render("{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 50_000)) + " }}")).Code);
        Assert.Equal("CT002", Assert.Throws<MarrowException>(() => Render(
            "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(5000) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x == n.y }}")).Code);
        Assert.Equal("True", Render("{{ " + string.Concat(Enumerable.Repeat("not ", 50_000)) + "true }}"));
    }

    [Fact]
    public void Any_damage_is_rendered_or_refused()
    {
        const string source = "{% set n = namespace(a=1) %}{% for m in messages[::-1] if m.role %}{{- m['content'] | trim ~ loop.index0 }}{% else %}{# c #}{% endfor %}{{ {'a': [1, 2.5]} | tojson }}";
        const string damage = "{}%#[]()'\"|.,:=-+~1an ";
        var random = new Random(8);
        int refused = 0;
        for (int n = 0; n < 3000; n++)
        {
            char[] text = source.ToCharArray();
            for (int i = 0; i < 2; i++)
                text[random.Next(text.Length)] = damage[random.Next(damage.Length)];
            try
            {
                Render(new string(text, 0, n % 2 == 0 ? text.Length : random.Next(text.Length)));
            }
            catch (MarrowException error)
            {
                Assert.StartsWith("CT", error.Code, StringComparison.Ordinal);
                refused++;
            }
        }
        Assert.InRange(refused, 1, 2999);
    }
}
