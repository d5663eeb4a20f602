using System.Text;
using Marrow.Formats.Datasets;

namespace Marrow.Formats.Tests.Datasets;

/// <summary>A data file on disk for one test.</summary>
internal sealed class DataFile : IDisposable
{
    public DataFile(params string[] lines)
        : this(Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l + "\n"))))
    {
    }

    public DataFile(byte[] bytes)
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), System.IO.Path.GetRandomFileName() + ".jsonl");
        File.WriteAllBytes(Path, bytes);
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);

    public LoadedDataset Load(DatasetOptions? options = null, IChatTemplate? template = null, ITokenizer? tokenizer = null) =>
        DatasetLoader.Load(Path, options ?? new DatasetOptions(), Model(template, tokenizer));

    public LoadedDataset Lint(DatasetOptions? options = null, IChatTemplate? template = null, ITokenizer? tokenizer = null) =>
        DatasetLoader.Lint(Path, options ?? new DatasetOptions(), Model(template, tokenizer));

    /// <summary>The trained tokens of an example as text, the others as dots, special tokens written out.</summary>
    public static string Trained(TokenDataset data, int index)
    {
        var tokenizer = new TinyTokenizer();
        var text = new StringBuilder();
        for (int t = 0; t < data.Length(index); t++)
            text.Append(data.Labels(index)[t] == TokenExample.Ignore ? "." : tokenizer.Decode([data.Labels(index)[t]], skipSpecial: false));
        return text.ToString();
    }

    public static string Text(TokenDataset data, int index) => new TinyTokenizer().Decode(data.Ids(index).ToArray(), skipSpecial: false);

    private static ModelVocabulary Model(IChatTemplate? template, ITokenizer? tokenizer)
    {
        tokenizer ??= new TinyTokenizer();
        return new ModelVocabulary(tokenizer.VocabularySize, tokenizer, template);
    }
}
