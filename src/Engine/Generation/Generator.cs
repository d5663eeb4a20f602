using Marrow.Engine.Autograd;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Formats;

namespace Marrow.Engine.Generation;

/// <summary>Continues a text token by token with what the model remembers of it.</summary>
public sealed class Generator
{
    // The prompt is read in pieces, so that its activations stay small however long it is.
    private const int PrefillTokens = 256;

    private readonly CausalModel _model;

    /// <summary>A generator for <paramref name="model"/>.</summary>
    public Generator(CausalModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
    }

    /// <summary>
    /// The tokens that follow <paramref name="prompt"/>, each computed when it is asked for. Ends at a stop token (not handed out) or
    /// after <see cref="GenerationOptions.MaxTokens"/>.
    /// </summary>
    /// <exception cref="MarrowException">GE001 an option is out of range; GE002 the text would not fit the model; GE003 the model's logits are not numbers; E107 the prompt is empty; E105 an id is outside the vocabulary.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two tokens.</exception>
    public IEnumerable<int> Generate(IReadOnlyList<int> prompt, GenerationOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(options);
        int vocabulary = _model.VocabularySize;
        var sampler = new Sampler(vocabulary, options);
        if ((long)prompt.Count + options.MaxTokens > _model.MaxPositions)
            throw new MarrowException("GE002", $"A prompt of {prompt.Count} tokens and up to {options.MaxTokens} new ones do not fit the model's {_model.MaxPositions} positions. Shorten the prompt or lower max_tokens. [GE002]");
        for (int i = 0; i < prompt.Count; i++)
        {
            if ((uint)prompt[i] >= (uint)vocabulary)
                throw new MarrowException("E105", $"prompt: token id {prompt[i]} at position {i} is outside the vocabulary of {vocabulary}. Does the tokenizer belong to this model? [E105]");
            sampler.See(prompt[i]);
        }
        return Continue([.. prompt], options, sampler, cancellation);
    }

    private IEnumerable<int> Continue(int[] prompt, GenerationOptions options, Sampler sampler, CancellationToken cancellation)
    {
        using SequenceState state = _model.CreateState(prompt.Length + options.MaxTokens);
        using var tape = new Tape(_model.Device);
        var logits = new float[_model.VocabularySize];
        int[] next = prompt;
        for (int made = 0; made < options.MaxTokens; made++)
        {
            Feed(tape, state, next, logits, cancellation);
            int id = sampler.Pick(logits);
            if (options.StopIds.Contains(id))
                yield break;
            sampler.See(id);
            yield return id;
            next = [id];
        }
    }

    private void Feed(Tape tape, SequenceState state, int[] tokens, float[] logits, CancellationToken cancellation)
    {
        int at = 0;
        do
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                int count = Math.Min(PrefillTokens, tokens.Length - at);
                Tensor last = _model.Next(tape, tokens.AsSpan(at, count), state);
                at += count;
                if (at == tokens.Length)
                    last.Download(logits.AsSpan());
            }
            finally
            {
                tape.Clear();
            }
        }
        while (at < tokens.Length);
        foreach (float logit in logits)
        {
            if (float.IsNaN(logit))
                throw new MarrowException("GE003", $"The model's logits after {state.Length} tokens are not numbers: its weights or the adapter's values have diverged. Use an earlier checkpoint. [GE003]");
        }
    }
}
