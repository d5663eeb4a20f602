using System.Globalization;
using Marrow.Formats;

namespace Marrow.Engine.Generation;

/// <summary>How tokens are chosen and when generation ends; names as in Hugging Face's generation_config.json.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens that are generated (max_new_tokens).</summary>
    public int MaxTokens { get; init; } = 128;

    /// <summary>0 takes the likeliest token; otherwise logits are divided by it.</summary>
    public double Temperature { get; init; }

    /// <summary>Only the k likeliest tokens may come; null for all.</summary>
    public int? TopK { get; init; }

    /// <summary>Only the likeliest tokens that together have this probability may come; 1 for all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Logits of tokens already in the text are divided by it where positive and multiplied where negative; 1 for none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>The seed of the draws.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Tokens that end the text; they are not handed out.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>Checks every value.</summary>
    /// <exception cref="MarrowException">GE001, naming the value and what is allowed.</exception>
    public void Validate()
    {
        Require(MaxTokens >= 0, "max_tokens", MaxTokens, "at least 0");
        Require(double.IsFinite(Temperature) && Temperature >= 0, "temperature", Temperature, "at least 0 (0 takes the likeliest token)");
        Require(TopK is null or > 0, "top_k", TopK ?? 0, "at least 1, or left out");
        Require(TopP is > 0 and <= 1, "top_p", TopP, "above 0 and at most 1");
        Require(double.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, "repetition_penalty", RepetitionPenalty, "above 0");
    }

    private static void Require(bool holds, string name, double value, string allowed)
    {
        if (!holds)
            throw new MarrowException("GE001", $"{name} is {value.ToString(CultureInfo.InvariantCulture)}, it must be {allowed}. [GE001]");
    }
}
