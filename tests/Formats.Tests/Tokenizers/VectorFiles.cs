using System.Globalization;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>The texts and token ids of a .inp and .out pair (spec/formats.md §7.1).</summary>
internal static class VectorFiles
{
    /// <summary>The cases of one vocabulary, as "gpt-2"; null, with the reason printed, where the shared data are absent.</summary>
    public static List<(string Text, int[] Ids)>? Find(ITestOutputHelper output, string name)
    {
        if (!Fixtures.Find(output, $"tokenizers/ggml-vocab-{name}.gguf.inp", out string inputs))
            return null;
        string[] texts = File.ReadAllText(inputs).Split("\n__ggml_vocab_test__\n")[..^1];
        string[] answers = File.ReadAllLines(inputs[..^4] + ".out");
        Assert.Equal(46, texts.Length);
        Assert.Equal(46, answers.Length);
        return [.. texts.Zip(answers, (text, line) =>
            (text, line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture)).ToArray()))];
    }
}
