using System.Text;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>Small vocabularies in GGUF metadata.</summary>
internal static class GgufValues
{
    /// <summary>The files of <see cref="TinyTokenizers"/> or others as metadata.</summary>
    public static GgufMetadata From(int rows, params (string Name, string Content)[] files) => From(rows, out _, null, files);

    public static GgufMetadata From(int rows, out IReadOnlyList<string> notes, string? pre, params (string Name, string Content)[] files)
    {
        using var folder = new TemporaryFolder();
        foreach ((string name, string content) in files)
            folder.Put(name, content);
        var values = new GgufMetadata("tiny.gguf");
        notes = GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), rows, values, pre);
        return values;
    }

    public static GgufMetadata ByteLevel() => From(262, ("tokenizer.json", TinyTokenizers.ByteLevel().ToJsonString()));

    public static GgufMetadata SentencePiece() => From(267, ("tokenizer.json", TinyTokenizers.SentencePiece().ToJsonString()));

    public static GgufMetadata World() => From(301, ("rwkv_vocab_v20230424.txt", TinyWorld.Lines));

    /// <summary>Changes one entry of an array of texts.</summary>
    public static void Change(GgufMetadata values, string key, int index, string text) => values.Strings(key)![index] = Encoding.UTF8.GetBytes(text);
}
