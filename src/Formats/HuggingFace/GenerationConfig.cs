namespace Marrow.Formats.HuggingFace;

/// <summary>What a generation_config.json says of sampling; null where it does not say.</summary>
public sealed record GenerationConfig
{
    /// <summary>The ids that end a text; may be empty.</summary>
    public IReadOnlyList<int> EosIds { get; init; } = [];

    /// <summary>Whether to sample (true) or to take the likeliest token.</summary>
    public bool? Sample { get; init; }

    /// <summary>The divisor of the logits, at least 0 (0 is greedy).</summary>
    public double? Temperature { get; init; }

    /// <summary>The probability mass kept, in (0, 1].</summary>
    public double? TopP { get; init; }

    /// <summary>The number of tokens kept; 0 keeps all.</summary>
    public int? TopK { get; init; }

    /// <summary>The most tokens to generate.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>The divisor of positive (multiplier of negative) logits of tokens that have occurred; 1 is none.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Reads a generation_config.json.</summary>
    /// <exception cref="ModelFileException">HF002 not a JSON object; HF006 a value of the wrong type; HF012 a value out of range.</exception>
    public static GenerationConfig Read(string path)
    {
        JsonFields fields = JsonFields.Parse(path, InputFile.ReadAll(path), "HF002", "HF006");
        double? temperature = fields.Number("temperature"), topP = fields.Number("top_p");
        if (temperature < 0)
            throw fields.Error("HF012", "temperature", "is negative");
        if (topP is <= 0 or > 1)
            throw fields.Error("HF012", "top_p", "must be above 0 and at most 1");
        return new GenerationConfig
        {
            EosIds = LlamaConfigReader.Ids(fields, "eos_token_id"),
            Sample = fields.Flag("do_sample"),
            Temperature = temperature,
            TopP = topP,
            TopK = (int?)fields.Integer("top_k", 0, int.MaxValue, "HF012"),
            MaxNewTokens = (int?)fields.Integer("max_new_tokens", 1, int.MaxValue, "HF012"),
            RepetitionPenalty = fields.Positive("repetition_penalty", "HF012"),
        };
    }
}
