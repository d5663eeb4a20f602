using Marrow.Engine.Generation;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Tokenizers;
using Marrow.Host.Models;

namespace Marrow.Host.Quickstart;

/// <summary>What a model answers, likeliest token by likeliest token.</summary>
internal static class ExactMatch
{
    private const int LongestAnswer = 48;

    /// <summary>The model's answer to each question.</summary>
    public static IReadOnlyList<string> Answers(LoadedModel loaded, IReadOnlyList<Exchange> exchanges, CancellationToken stopping)
    {
        ModelTokenizer tokenizer = loaded.RequireTokenizer();
        IChatTemplate template = tokenizer.ChatTemplate ?? throw new MarrowException("QS001", $"{loaded.Folder.Path}: the bundled model has lost its chat template");
        var generator = new Generator(loaded.Model);
        return [.. exchanges.Select(exchange =>
        {
            IReadOnlyList<int> prompt = ChatPrompt.Encode([new ChatMessage("user", exchange.Question)], tokenizer.Tokenizer, template);
            int room = Math.Min(LongestAnswer, loaded.Model.MaxPositions - prompt.Count);
            var options = new GenerationOptions { MaxTokens = room, StopIds = loaded.StopIds };
            return tokenizer.Tokenizer.Decode(generator.Generate(prompt, options, stopping), skipSpecial: true);
        })];
    }

    /// <summary>The share of answers that are right to the letter, 0 to 1.</summary>
    public static double Share(IReadOnlyList<string> answers, IReadOnlyList<Exchange> exchanges) =>
        answers.Zip(exchanges).Count(pair => pair.First.Trim() == pair.Second.Answer.Trim()) / (double)exchanges.Count;
}
