using System.Text;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.SentencePiece;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>tokenizer.model files (spec/formats.md §5.3, §9 case 77).</summary>
public sealed class SentencePieceFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static TokenTable Tokens(Action<List<(string Text, TokenType Type, float Score)>>? change = null)
    {
        List<(string Text, TokenType Type, float Score)> pieces = [("<unk>", TokenType.Unknown, 0), ("<s>", TokenType.Control, 0), ("</s>", TokenType.Control, 0)];
        for (int b = 0; b < 256; b++)
            pieces.Add((TokenTable.ByteText(b), TokenType.Byte, 0));
        pieces.Add(("▁▁", TokenType.UserDefined, 0));
        string[] words = ["ab", "▁ab", "▁a", "bc", "▁", "a", "b", "c"];
        pieces.AddRange(words.Select((text, i) => (text, TokenType.Normal, (float)-i)));
        change?.Invoke(pieces);
        return new TokenTable([.. pieces.Select(p => p.Text)], [.. pieces.Select(p => p.Type)], [.. pieces.Select(p => p.Score)]);
    }

    private static byte[] Model(TokenTable? tokens = null, bool space = true, bool collapse = false, byte[]? charsmap = null) =>
        SentencePieceWriter.Write(tokens ?? Tokens(), space, collapse, charsmap ?? [], (0, 1, 2, -1));

    private ModelTokenizer Load(byte[] model, params (string Name, string Content)[] files)
    {
        _folder.Put("tokenizer.model", model);
        foreach ((string name, string content) in files)
            _folder.Put(name, content);
        return ModelTokenizer.Load(_folder.Path);
    }

    private static void Refused(string code, byte[] model) =>
        Assert.Equal(code, Assert.Throws<ModelFileException>(() => SentencePieceFile.Parse("tokenizer.model", model)).Code);

    [Fact]
    public void A_folder_with_only_the_model()
    {
        ModelTokenizer model = Load(Model());
        Assert.Equal((1, 2, null, 0), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.Equal([1, 261, 267], model.Tokenizer.Encode("abc", addSpecial: true, parseSpecial: false));
        Assert.Equal([259, 262, 265], model.Tokenizer.Encode("  aa", addSpecial: false, parseSpecial: false));
        Assert.Equal([264, 0xC3 + 3, 0xA9 + 3], model.Tokenizer.Encode("é", addSpecial: false, parseSpecial: false));
        Assert.DoesNotContain(1, model.Tokenizer.Encode("<s>", addSpecial: false, parseSpecial: false));
        var random = new Random(61);
        for (int n = 0; n < 300; n++)
        {
            string text = RandomText.Next(random, 40).Replace('\u2581', 'x');
            IReadOnlyList<int> ids = model.Tokenizer.Encode(text, false, false);
            // Behind a token that the user defined the next part gets a space of its own.
            if (!ids.Contains(259))
                Assert.Equal(text, model.Tokenizer.Decode(ids, false));
        }
    }

    [Fact]
    public void Other_files_add_tokens_and_roles()
    {
        ModelTokenizer model = Load(Model(space: false), ("added_tokens.json", """{ "<tool>": 270 }"""), ("tokenizer_config.json", """
            { "tokenizer_class": "LlamaTokenizer", "add_bos_token": false, "add_eos_token": true, "pad_token": "<pad>",
              "added_tokens_decoder": { "268": { "content": "<pad>", "special": true }, "0": { "content": "<unk>", "special": true }, "1": { "content": "<s>", "special": true } } }
            """));
        Assert.Equal((1, 2, 268, 0), (model.BosId, model.EosId, model.PadId, model.UnkId));
        Assert.Equal([260, 270, 265, 2], model.Tokenizer.Encode("ab<tool>a", addSpecial: true, parseSpecial: false));
        Assert.Equal([260, 268], model.Tokenizer.Encode("ab<pad>", addSpecial: false, parseSpecial: true));
        Assert.Equal(271, model.Tokenizer.VocabularySize);

        var values = new GgufMetadata("x.gguf");
        Assert.Empty(GgufTokenizer.Write(TokenizerFiles.Find(_folder.Path), 272, values));
        Assert.Equal([3, 5, 4, 5], values.Integers("tokenizer.ggml.token_type")![268..272]);
        Assert.Equal([-1000, -10000, -1000, -10000], values.Numbers("tokenizer.ggml.scores")![268..272]);
        ModelTokenizer read = GgufTokenizer.Read(values);
        Assert.Equal((1, 2, 268, 0), (read.BosId, read.EosId, read.PadId, read.UnkId));
        foreach (string text in (string[])["ab<tool>a", " ab  c<pad>", "é\n"])
            Assert.Equal(model.Tokenizer.Encode(text, true, true), read.Tokenizer.Encode(text, true, true));
        _folder.Put("added_tokens.json", """{ "ab": 270 }""");
        Assert.Equal("TK003", Assert.Throws<ModelFileException>(() => ModelTokenizer.Load(_folder.Path)).Code);
        foreach (string far in (string[])["16777215", "65808"])
        {
            _folder.Put("added_tokens.json", $$"""{ "x": {{far}} }""");
            ModelFileException error = Assert.Throws<ModelFileException>(() => ModelTokenizer.Load(_folder.Path));
            Assert.Equal("TK003", error.Code);
            Assert.Contains($"has the id {far}", error.Message, StringComparison.Ordinal);
        }
        _folder.Put("added_tokens.json", """{ "x": -1 }""");
        Assert.Equal("TK003", Assert.Throws<ModelFileException>(() => ModelTokenizer.Load(_folder.Path)).Code);
    }

    /// <summary>One entry: "Z" becomes <paramref name="replacement"/>.</summary>
    private static byte[] CharsmapOf(string replacement, bool endless = false)
    {
        // The root's children start at unit 0x100, the value of "Z" stands at unit 0x101.
        uint[] trie = new uint[0x200];
        trie[0] = 0x100u << 10;
        // Or the children of "Z" are the root's once more.
        uint children = endless ? 0x100u : 0x101u;
        trie[0x100 ^ 'Z'] = (((uint)(0x100 ^ 'Z') ^ children) << 10) | (endless ? 0u : 0x100) | 'Z';
        trie[0x101] = 0x8000_0000;
        return [.. BitConverter.GetBytes(trie.Length * 4), .. trie.SelectMany(BitConverter.GetBytes), .. Encoding.UTF8.GetBytes(replacement), 0];
    }

    [Fact]
    public void Replacements_that_grow_without_end_are_refused()
    {
        ModelTokenizer model = Load(Model(charsmap: CharsmapOf(new string('a', 1000))));
        Assert.NotEmpty(model.Tokenizer.Encode("bbZ", false, false));
        Assert.Equal("GV006", Assert.Throws<MarrowException>(() => model.Tokenizer.Encode(new string('Z', 100), false, false)).Code);
        ModelTokenizer endless = Load(Model(charsmap: CharsmapOf("ab", endless: true)));
        Assert.NotEmpty(endless.Tokenizer.Encode(new string('Z', 1000), false, false));
        Assert.Equal("GV006", Assert.Throws<MarrowException>(() => endless.Tokenizer.Encode(new string('Z', 1 << 20), false, false)).Code);
    }

    [Fact]
    public void Spaces_collapse_and_characters_are_replaced()
    {
        byte[] charsmap = CharsmapOf("ab");
        ModelTokenizer model = Load(Model(collapse: true, charsmap: charsmap));
        Assert.Equal([261, 263, 264, 267], model.Tokenizer.Encode("Zbc c", false, false));
        Assert.Equal([261, 264, 267], model.Tokenizer.Encode("ab c ", false, false));

        var values = new GgufMetadata("x.gguf");
        GgufTokenizer.Write(TokenizerFiles.Find(_folder.Path), 268, values);
        Assert.Equal([261, 263, 264, 267], GgufTokenizer.Read(values).Tokenizer.Encode("Zbc c", false, false));
        using var back = new TemporaryFolder();
        Assert.DoesNotContain(back["tokenizer.json"], GgufTokenizer.WriteFiles(values, back.Path));
        Assert.Equal([261, 263, 264, 267], ModelTokenizer.Load(back.Path).Tokenizer.Encode("Zbc c", false, false));
    }

    [Fact]
    public void Damaged_messages()
    {
        Refused("SP001", [0x0A, .. Enumerable.Repeat((byte)0x80, 10), 0x01]);
        Refused("SP001", [.. Enumerable.Repeat((byte)0xFF, 9), 0x02]);
        Refused("SP002", [0x0A, 0x05, 1]);
        Refused("SP002", [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]);
        Refused("SP002", [0x15, 1, 2]);
        Refused("SP003", [0x0B]);
        Refused("SP003", [0x0C]);
        Refused("SP003", [0x0F]);
        Refused("SP003", [0x08, 1]);
        Refused("SP004", [0x02, 0]);
        Refused("SP004", [0xFA, 0xFF, 0xFF, 0xFF, 0x7F, 0]);
        Refused("SP005", []);
        Refused("SP005", [0x12, 0]);
        Refused("SP005", [0x0A, 0]);
        Refused("SP005", [0x0A, 3, 0x0A, 1, 0xFF]);
    }

    [Fact]
    public void Pieces_that_cannot_be()
    {
        Refused("SP005", Model(Tokens(p => p[260] = ("ab", TokenType.Normal, float.NaN))));
        Refused("SP005", Model(Tokens(p => p[261] = p[260])));
        Refused("SP005", Model(Tokens(p => p[260] = ("ab", (TokenType)7, 0))));
        Refused("SP006", Model(Tokens(p => p[260] = ("x", TokenType.Unknown, 0))));
        Refused("SP006", Model(Tokens(p => p[0] = ("x", TokenType.Normal, 0))));
        Refused("SP006", WithPadding(999));
        Assert.Equal("SP006", Assert.Throws<ModelFileException>(() => Load(Model(Tokens(p => p[40] = ("<0xZZ>", TokenType.Byte, 0))))).Code);
        Assert.Equal("SP006", Assert.Throws<ModelFileException>(() => Load(Model(Tokens(p => p[40] = ("zz", TokenType.Normal, 0))))).Code);
        Refused("GV006", Model(charsmap: [1, 2, 3]));
    }

    private static byte[] WithPadding(int id)
    {
        byte[] model = SentencePieceWriter.Write(Tokens(), true, false, [], (0, 1, 2, 267));
        // The field 43, the padding id, as a varint of two bytes.
        int at = model.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xD8, 0x02, (267 & 0x7F) | 0x80, 267 >> 7]);
        (model[at + 2], model[at + 3]) = ((byte)(id | 0x80), (byte)(id >> 7));
        return model;
    }

    [Fact]
    public void Unigram_is_refused_by_name()
    {
        byte[] model = Model();
        int trainer = model.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x18, 2, 0x20]);
        model[trainer + 1] = 1;
        ModelFileException error = Assert.Throws<ModelFileException>(() => SentencePieceFile.Parse("tokenizer.model", model));
        Assert.Equal("SP007", error.Code);
        Assert.Contains("unigram", error.Message, StringComparison.Ordinal);
        Assert.Contains("save_pretrained", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_cut_or_changed_byte_is_read_or_refused()
    {
        byte[] model = Model();
        var random = new Random(67);
        int refused = 0;
        for (int n = 0; n < 1500; n++)
        {
            byte[] damaged = n % 3 == 0 ? model[..random.Next(model.Length)] : [.. model];
            for (int i = 0; i < 2 && damaged.Length > 0; i++)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                SentencePieceFile.Parse("tokenizer.model", damaged);
            }
            catch (ModelFileException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 500, 1499);
    }

    [Fact]
    public void Texts_in_the_file_are_the_tokens() =>
        Assert.Equal(Tokens().Texts, SentencePieceFile.Parse("tokenizer.model", Model()).Tokens.Texts);

    [Fact]
    public void Without_byte_pieces_the_unknown_token_stands_for_the_rest()
    {
        List<(string, TokenType, float)> pieces = [("<unk>", TokenType.Unknown, 0), ("<s>", TokenType.Control, 0), ("</s>", TokenType.Control, 0), ("▁", TokenType.Normal, -2), ("a", TokenType.Normal, -3), ("▁a", TokenType.Normal, -1)];
        var tokens = new TokenTable([.. pieces.Select(p => p.Item1)], [.. pieces.Select(p => p.Item2)], [.. pieces.Select(p => p.Item3)]);
        ModelTokenizer model = Load(Model(tokens));
        Assert.Equal([1, 5, 0, 4], model.Tokenizer.Encode("axya", addSpecial: true, parseSpecial: false));
        Assert.Equal(Encoding.UTF8.GetBytes("▁a"), Encoding.UTF8.GetBytes(tokens.Texts[5]));
    }
}
