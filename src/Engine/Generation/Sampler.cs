using System.Numerics.Tensors;
using Marrow.Engine.Training;

namespace Marrow.Engine.Generation;

/// <summary>
/// Chooses tokens from logits: repetition penalty, temperature, top-k, top-p, then a draw, in the order of the transformers library.
/// Among equal logits the lower id counts as the likelier. Its buffers are reused; one text at a time.
/// </summary>
public sealed class Sampler
{
    private readonly GenerationOptions _options;
    private readonly bool[] _seen;
    private readonly SeededRandom _random;
    private readonly PriorityQueue<int, (float Logit, int Place)> _best = new();
    private readonly (float Logit, int Id)[] _candidates;

    /// <summary>A sampler over <paramref name="vocabularySize"/> tokens at the start of its random stream.</summary>
    /// <exception cref="Formats.MarrowException">GE001 an option is out of range.</exception>
    public Sampler(int vocabularySize, GenerationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _seen = new bool[vocabularySize];
        _random = new SeededRandom(options.Seed, 0);
        _candidates = new (float, int)[options.Temperature == 0 ? 0 : vocabularySize];
    }

    /// <summary>Tells of a token of the text, for the repetition penalty.</summary>
    public void See(int id) => _seen[id] = true;

    /// <summary>The next token; <paramref name="logits"/>, one for each token, are changed.</summary>
    public int Pick(Span<float> logits)
    {
        if (_options.RepetitionPenalty != 1)
        {
            float penalty = (float)_options.RepetitionPenalty;
            for (int i = 0; i < logits.Length; i++)
            {
                if (_seen[i])
                    logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty;
            }
        }
        if (_options.Temperature == 0)
            return TensorPrimitives.IndexOfMax<float>(logits);
        TensorPrimitives.Divide(logits, (float)_options.Temperature, logits);
        Span<(float Logit, int Id)> candidates = _options.TopK is { } k && k < logits.Length ? TopK(logits, k) : All(logits);
        return Draw(candidates);
    }

    private Span<(float Logit, int Id)> All(ReadOnlySpan<float> logits)
    {
        for (int i = 0; i < logits.Length; i++)
            _candidates[i] = (logits[i], i);
        return _candidates.AsSpan(0, logits.Length);
    }

    private Span<(float Logit, int Id)> TopK(ReadOnlySpan<float> logits, int k)
    {
        _best.Clear();
        for (int i = 0; i < logits.Length; i++)
        {
            if (_best.Count < k)
                _best.Enqueue(i, (logits[i], -i));
            else
                _best.EnqueueDequeue(i, (logits[i], -i));
        }
        int count = 0;
        while (_best.TryDequeue(out int id, out _))
            _candidates[count++] = (logits[id], id);
        return _candidates.AsSpan(0, count);
    }

    private int Draw(Span<(float Logit, int Id)> candidates)
    {
        float max = float.NegativeInfinity;
        foreach ((float logit, _) in candidates)
            max = MathF.Max(max, logit);
        double total = 0;
        foreach ((float logit, _) in candidates)
            total += Math.Exp(logit - max);
        if (_options.TopP < 1)
            candidates = TopP(candidates, max, ref total);
        double target = _random.NextDouble() * total;
        foreach ((float logit, int id) in candidates)
        {
            target -= Math.Exp(logit - max);
            if (target < 0)
                return id;
        }
        // Rounding can leave a rest above the last candidate.
        return candidates[^1].Id;
    }

    private Span<(float Logit, int Id)> TopP(Span<(float Logit, int Id)> candidates, float max, scoped ref double total)
    {
        // All tokens less likely than (1 − p) / n together have less than 1 − p, so none of them is needed: the others are few enough to sort.
        double least = (1 - _options.TopP) / candidates.Length * total;
        int count = 0;
        foreach ((float Logit, int Id) candidate in candidates)
        {
            if (Math.Exp(candidate.Logit - max) >= least)
                candidates[count++] = candidate;
        }
        candidates = candidates[..count];
        candidates.Sort(static (a, b) => a.Logit != b.Logit ? b.Logit.CompareTo(a.Logit) : a.Id.CompareTo(b.Id));
        double needed = _options.TopP * total, sum = 0;
        int kept = 0;
        while (kept < count && sum < needed)
            sum += Math.Exp(candidates[kept++].Logit - max);
        total = sum;
        return candidates[..kept];
    }
}
