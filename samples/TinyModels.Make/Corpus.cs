using System.Text.Encodings.Web;
using System.Text.Json;
using Marrow.Engine.Training;
using Marrow.Formats;

namespace Marrow.TinyModels.Make;

/// <summary>Exchanges drawn from a seed: the same ones on every machine.</summary>
internal static class Corpus
{
    private static readonly JsonSerializerOptions s_readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>An endless stream of exchanges, each skill as often as its share says.</summary>
    public static IEnumerable<(Skill Skill, Exchange Exchange)> Draw(IReadOnlyList<Skill> skills, ulong seed, bool heldOut)
    {
        var source = new SourceOfWords(new SeededRandom(seed, heldOut ? 1UL : 0UL), heldOut);
        Skill[] urn = [.. skills.SelectMany(s => Enumerable.Repeat(s, s.Share))];
        while (true)
        {
            Skill skill = source.Pick(urn);
            yield return (skill, skill.Draw(source));
        }
    }

    /// <summary>The questions and answers of the quickstart, shuffled.</summary>
    public static Exchange[] PigLatin(ulong seed, bool heldOut)
    {
        var source = new SourceOfWords(new SeededRandom(seed, heldOut ? 3UL : 2UL), heldOut);
        Exchange[] rows = [.. Skills.PigLatin(source, heldOut)];
        for (int i = rows.Length - 1; i > 0; i--)
        {
            int j = source.Number(0, i);
            (rows[i], rows[j]) = (rows[j], rows[i]);
        }
        return rows;
    }

    /// <summary>Writes conversations of one question and one answer as JSONL.</summary>
    public static void Write(string path, IEnumerable<Exchange> exchanges) => AtomicFile.Write(path, stream =>
    {
        foreach (Exchange exchange in exchanges)
        {
            JsonSerializer.Serialize(stream, new
            {
                messages = new[]
                {
                    new { role = "user", content = exchange.Question },
                    new { role = "assistant", content = exchange.Answer },
                },
            }, s_readable);
            stream.WriteByte((byte)'\n');
        }
    });
}
