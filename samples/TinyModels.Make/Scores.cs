using System.Numerics.Tensors;
using Marrow.Engine.Autograd;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Tokenizers;

namespace Marrow.TinyModels.Make;

/// <summary>Asks a model questions whose answers are known.</summary>
internal static class Scores
{
    /// <summary>
    /// The share of questions that the model answers exactly when it always takes the likeliest token. One pass tells: the answer
    /// comes out whole where each of its tokens, and the end after them, is the likeliest one behind those before it.
    /// </summary>
    public static double ExactMatch(CausalModel model, ModelTokenizer tokenizer, IReadOnlyList<Exchange> exchanges)
    {
        TokenDataset data = TokenDataset.From(exchanges.Select(e => Encode(tokenizer, e)));
        var batch = new TokenBatch();
        batch.Fill(data, [.. Enumerable.Range(0, data.Count)]);
        using var tape = new Tape(model.Device);
        float[] logits = model.Logits(tape, batch).ToArray();
        int right = 0;
        for (int i = 0; i < batch.Count; i++)
        {
            bool exact = true;
            for (int t = batch.Starts[i] + 1; t < batch.Starts[i + 1]; t++)
            {
                ReadOnlySpan<float> row = logits.AsSpan((t - 1) * model.VocabularySize, model.VocabularySize);
                exact &= batch.Labels[t] == TokenExample.Ignore || batch.Labels[t] == TensorPrimitives.IndexOfMax(row);
            }
            right += exact ? 1 : 0;
        }
        return right / (double)exchanges.Count;
    }

    /// <summary>An exchange in the model's chat format; only the answer and the end of the turn are trained.</summary>
    public static TokenExample Encode(ModelTokenizer tokenizer, Exchange exchange)
    {
        IReadOnlyList<int> question = tokenizer.Tokenizer.Encode(
            tokenizer.ChatTemplate!.Render([new ChatMessage("user", exchange.Question)], addGenerationPrompt: true), addSpecial: false, parseSpecial: true);
        int[] answer = [.. tokenizer.Tokenizer.Encode(exchange.Answer, addSpecial: false, parseSpecial: false), tokenizer.EosId!.Value];
        return new TokenExample([.. question, .. answer], [.. Enumerable.Repeat(TokenExample.Ignore, question.Count), .. answer]);
    }
}
