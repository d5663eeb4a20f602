using System.Globalization;
using Marrow.Formats;
using Marrow.Formats.Datasets;

namespace Marrow.Host.Models;

/// <summary>Token ids given on the command line: "1 2 3" or "1,2,3".</summary>
internal static class TokenList
{
    private static readonly char[] Separators = [' ', ',', '\t', '\n', '\r'];

    /// <summary>The ids, each below <paramref name="vocabularySize"/>.</summary>
    /// <exception cref="MarrowException">CL003: not a number, outside the vocabulary, or none at all.</exception>
    public static int[] Parse(string text, int vocabularySize)
    {
        string[] words = text.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
            throw new MarrowException("CL003", "--tokens names no token; write ids as in --tokens \"1 2 3\"");
        var ids = new int[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            if (!int.TryParse(words[i], NumberStyles.None, CultureInfo.InvariantCulture, out ids[i]))
                throw new MarrowException("CL003", $"--tokens: {Echo.Quote(words[i])} is not a token id; write ids as in --tokens \"1 2 3\"");
            Require(ids[i], i, vocabularySize);
        }
        return ids;
    }

    /// <summary>Throws where an id of a text is outside the model's vocabulary.</summary>
    /// <exception cref="MarrowException">CL003.</exception>
    public static void Require(IReadOnlyList<int> ids, int vocabularySize)
    {
        for (int i = 0; i < ids.Count; i++)
            Require(ids[i], i, vocabularySize);
    }

    /// <summary>One sequence as a batch.</summary>
    public static TokenBatch Batch(int[] ids)
    {
        var batch = new TokenBatch();
        batch.Fill(TokenDataset.From([new TokenExample(ids, ids)]), [0]);
        return batch;
    }

    private static void Require(int id, int at, int vocabularySize)
    {
        if (id >= vocabularySize)
            throw new MarrowException("CL003", $"token {id} at position {at} is outside the model's vocabulary of {vocabularySize} (ids 0 to {vocabularySize - 1})");
    }
}
