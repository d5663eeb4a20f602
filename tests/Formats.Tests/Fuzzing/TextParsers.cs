using System.Text;
using System.Text.Json.Nodes;
using Marrow.Formats.ChatTemplates;
using Marrow.Formats.Datasets;
using Marrow.Formats.Datasets.BinIdx;
using Marrow.Formats.Tests.Datasets;
using Marrow.Formats.Tests.Tokenizers;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.SentencePiece;

namespace Marrow.Formats.Tests.Fuzzing;

/// <summary>Tokenizers in files of their own, chat templates and datasets.</summary>
internal static class TextParsers
{
    private static readonly string[] JsonWords =
    [
        "\"type\"", "\"Sequence\"", "\"BPE\"", "\"Split\"", "\"Regex\"", "\"String\"", "\"ByteLevel\"", "\"Metaspace\"", "\"ByteFallback\"", "\"Fuse\"", "\"Strip\"", "\"Replace\"", "\"Digits\"", "\"Lowercase\"",
        "\"vocab\"", "\"merges\"", "\"added_tokens\"", "\"bos_token\"", "\"chat_template\"", "\"(a|a)*$\"", "\"\\\\p{L}+\"", "\"(?i:x\"", "null", "{{ bos_token }}",
    ];

    private static readonly string[] TemplateWords =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "for", "endfor", "in", "if", "elif", "else", "endif", "set", "macro", "endmacro", "namespace(a=1)", "loop.index0", "loop.last", "messages", "m.content", "[1:]", "[::-1]", "[-1]",
        "is defined", "is not none", "not in", "and", "or", "~", "+", "*", "//", "%", "**", "==", "<=", "|", "trim", "tojson", "join(',')", "length", "list", "items()", "split('a')", "replace('', 'x')", "range(1000000)", "'a' * 100000000", "raise_exception('x')", "strftime_now('%d %b %Y')",
        "99999999999999999999", "-9223372036854775808", "'\\u0041'", "\"", "'", "(", ")", "{", "}", "break", "continue", "none", "true", "1.5e308", "|selectattr('role', 'equalto', 'user')", "|map(attribute='content')", "|sort", "|reverse", "|default('')", "|int", "|float",
    ];

    public static FuzzTarget[] All { get; } =
    [
        new("tokenizer.json folder", () => [.. Folders()], path => Reading.Tokenizer(ModelTokenizer.Load(path))) { TakesFolder = true, Words = JsonWords },
        new("tokenizer.model", () => [.. SentencePieces()], path => Reading.Tokenizer(ModelTokenizer.Load(path))) { TakesFolder = true, Words = null },
        new("rwkv vocabulary", () => [FuzzSeed.Text(("rwkv_vocab_v1.txt", TinyWorld.Lines + "400 b'\\xff\\x00' 2\n401 '\\u65e5\\U0001f600' 7\n402 '\\xc3' 2\n"))],
            path => Reading.Tokenizer(ModelTokenizer.Load(path))) { TakesFolder = true, Words = ["b'", "'", "\"", "\\x", "\\u", "\\U0010FFFF", "\\N{x}", " 1\n", "r'"] },
        new("chat template", () => [.. Templates()], UseTemplate) { Words = TemplateWords },
        new("binidx", () => [BinIdx()], path => Lint(path, DatasetFormat.BinIdx)),
        new("jsonl dataset", () => [.. Rows()], path => Lint(path, DatasetFormat.Auto)) { Words = ["\"messages\"", "\"role\"", "\"content\"", "\"user\"", "\"assistant\"", "\"tool\"", "\"text\"", "\"input_ids\"", "\"labels\"", "-100", "<|im_start|>", "\\ud800", "\n", "\uFEFF"] },
    ];

    private static IEnumerable<FuzzSeed> Folders()
    {
        const string config = """
            {"bos_token": {"content": "<s>", "special": true}, "eos_token": "</s>", "pad_token": "c", "unk_token": null, "add_bos_token": true, "tokenizer_class": "LlamaTokenizer",
             "additional_special_tokens": ["<s>"], "added_tokens_decoder": {"1": {"content": "<s>", "special": true, "lstrip": false}}, "model_max_length": 1000000000000000019884624838656,
             "chat_template": [{"name": "default", "template": "{% for m in messages %}[{{ m.role }}] {{ m.content|trim }}{% endfor %}"}]}
            """;
        const string map = """{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "unk_token": "<unk>", "additional_special_tokens": ["<s>"]}""";
        yield return FuzzSeed.Text(("tokenizer.json", Small().ToJsonString()), ("tokenizer_config.json", config.Replace("LlamaTokenizer", "PreTrainedTokenizerFast", StringComparison.Ordinal)), ("special_tokens_map.json", map),
            ("generation_config.json", """{"eos_token_id": [2, 7]}"""), ("chat_template.jinja", "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"));
        yield return FuzzSeed.Text(("tokenizer.json", TinyTokenizers.SentencePiece().ToJsonString()), ("tokenizer_config.json", config), ("special_tokens_map.json", map));
        yield return FuzzSeed.Text(("tokenizer.json", TinyTokenizers.ByteLevel().ToJsonString()));
    }

    /// <summary>Few tokens, and parts of every kind.</summary>
    private static JsonObject Small()
    {
        JsonObject json = TinyTokenizers.Characters("abcdex1234 .'\n");
        var vocabulary = json["model"]!["vocab"]!.AsObject();
        foreach (string token in (string[])["ab", "abc", "<unk>"])
            vocabulary[token] = vocabulary.Count;
        json["model"]!["merges"] = TinyTokenizers.Parse("""["a b", ["ab", "c"]]""");
        json["model"]!["unk_token"] = "<unk>";
        json["model"]!["fuse_unk"] = true;
        json["added_tokens"] = new JsonArray(TinyTokenizers.Added(20, "<s>", special: true), TinyTokenizers.Added(21, "</s>", special: true, flag: "rstrip"), TinyTokenizers.Added(22, "it", special: false, flag: "single_word", normalized: true));
        json["normalizer"] = TinyTokenizers.Parse("""{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": true, "strip_right": false}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}""");
        json["pre_tokenizer"] = TinyTokenizers.Parse("""
            {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\s?\\p{L}+|\\p{N}{1,2}"}, "behavior": "Isolated", "invert": false},
             {"type": "Digits", "individual_digits": true}, {"type": "Punctuation", "behavior": "MergedWithPrevious"}]}
            """);
        json["post_processor"] = TinyTokenizers.Parse("""
            {"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": false}, {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [20], "tokens": ["<s>"]}}}]}
            """);
        json["decoder"] = TinyTokenizers.Parse("""{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]}""");
        return json;
    }

    private static IEnumerable<FuzzSeed> SentencePieces()
    {
        string[] texts = ["<unk>", "<s>", "</s>", "\u2581", "a", "b", "c", "ab", "\u2581ab", "\u2581a"];
        byte[] small = SentencePieceWriter.Write(new TokenTable(texts, [TokenType.Unknown, TokenType.Control, TokenType.Control, .. Enumerable.Repeat(TokenType.Normal, 7)], [0, 0, 0, -1, -2, -3, -4, -1.5f, -1, -2]),
            space: true, collapse: true, charsmap: [], (0, 1, 2, -1));
        yield return new(("tokenizer.model", small));
        yield return new(("tokenizer.model", small), ("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": "</s>", "added_tokens_decoder": {"11": {"content": "<x>", "special": true}}}"""u8.ToArray()), ("added_tokens.json", """{"<y>": 12}"""u8.ToArray()));
        string[] bytes = [.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>")];
        // A trie of one rule: "A" becomes "a".
        byte[] charsmap = Charsmap();
        yield return new(("tokenizer.model", SentencePieceWriter.Write(new TokenTable([.. texts, .. bytes],
            [TokenType.Unknown, TokenType.Control, TokenType.Control, .. Enumerable.Repeat(TokenType.Normal, 7), .. Enumerable.Repeat(TokenType.Byte, 256)], [.. Enumerable.Range(0, 266).Select(i => -(float)i)]),
            space: false, collapse: false, charsmap, (0, 1, 2, -1))));
    }

    /// <summary>A precompiled character map with the one rule "A" → "a": a double array of 256 and a table of replacements.</summary>
    internal static byte[] Charsmap()
    {
        var units = new uint[256];
        const uint offset = 1 << 10, leaf = 1u << 31, hasLeaf = 1 << 8;
        // The root's children lie at offset ^ label; a node's label is its low byte, its value where it has one lies at its own offset.
        units[0] = 128 * offset;
        units[128 ^ 'A'] = 'A' | hasLeaf | (((128u ^ 'A') ^ 7u) * offset);
        units[7] = leaf | 0;
        byte[] map = new byte[4 + 1024 + 2];
        BitConverter.TryWriteBytes(map, 1024u);
        Buffer.BlockCopy(units, 0, map, 4, 1024);
        map[^2] = (byte)'a';
        return map;
    }

    private static IEnumerable<FuzzSeed> Templates()
    {
        string[] sources =
        [
            "{{- bos_token }}\n{%- if messages[0]['role'] == 'system' %}{%- set s = messages[0]['content'] | trim %}{%- set rest = messages[1:] %}{%- else %}{%- set s = \"\" %}{%- set rest = messages %}{%- endif %}\n{#- note #}"
                + "{%- for message in rest %}{%- if not (message.role == 'tool' or 'calls' in message) %}{{- '<|' + message['role'] + '|>\\n' + message['content'] | trim }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}",
            "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ message.content|upper }}{% elif message['role'] == 'assistant' %}{{ ' ' ~ message['content'] + eos_token }}{% endif %}{% endfor %}",
            "{%- set ns = namespace(found=false, n=0) %}{%- for m in messages[::-1] %}{%- set ns.n = ns.n + 1 %}{%- if not ns.found and m.role == \"user\" %}{%- set ns.found = true %}{%- endif %}{%- endfor %}{{ ns.n }}{{ messages|length }}{{ messages[0]|tojson }}",
            "{%- macro show(x, y=2) -%}[{{ x }}:{{ y * 3 - 1 }}]{%- endmacro -%}{{ show('a') }}{{ show(1.5, y=-2) }}{{ 'a,b'.split(',')|join('+') }}{{ {'k': [1, 2]}['k'][-1] }}{{ 'x' if tools is none else tools }}{{ strftime_now('%d %b %Y') }}",
        ];
        return sources.Select(s => FuzzSeed.Text(("t.jinja", s)));
    }

    private static void UseTemplate(string path) =>
        new JinjaChatTemplate(Encoding.UTF8.GetString(InputFile.ReadAll(path)), path, new Dictionary<string, string> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" })
            .Render([new("system", " Be kind. "), new("user", "Hi\n"), new("assistant", "Hello.")], addGenerationPrompt: true);

    private static FuzzSeed BinIdx() => FuzzSeed.Written(f => BinIdxWriter.Write(f["data"], ((int[][])[[1, 0], [2, 3, 0], [4, 5, 6, 0]]).Select(i => (ReadOnlyMemory<int>)i)), "data.idx");

    private static IEnumerable<FuzzSeed> Rows() => ((string[])
    [
        """{"text": "a b"}""" + "\n" + """{"text": "é\ud83d\ude00", "id": 5}""" + "\n",
        """{"prompt": "q", "completion": "answer"}""" + "\n" + """{"completion": "x", "prompt": ""}""" + "\n",
        """{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}""" + "\n" + """{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b", "tool_calls": null}]}""" + "\r\n",
        """{"instruction": "i", "input": "n", "output": "o"}""" + "\n\n" + """{"instruction": "i", "output": "o"}""",
        """{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}""" + "\n" + """{"input_ids": [4, 5]}""" + "\n",
    ]).Select(t => FuzzSeed.Text(("data.jsonl", t)));

    private static void Lint(string path, DatasetFormat format)
    {
        LoadedDataset loaded = DatasetLoader.Lint(path, new DatasetOptions { Format = format, MaxLength = 8 }, new ModelVocabulary(261, new TinyTokenizer(), TinyTemplate.ChatMl));
        for (int i = 0; i < loaded.Examples.Count; i++)
            Assert.Equal(loaded.Examples.Ids(i).Length, loaded.Examples.Labels(i).Length);
        Assert.NotNull(loaded.Report.ToString());
        loaded.Report.ThrowIfErrors();
    }
}
