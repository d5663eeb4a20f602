using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Host.Jobs;

namespace Marrow.Host.Training;

/// <summary>The examples of a job, read, checked and tokenised.</summary>
/// <param name="Train">Those to train on.</param>
/// <param name="Eval">Those to evaluate on, or null.</param>
/// <param name="Files">What was found in each file, that of data.train first.</param>
internal sealed record TrainingData(TokenDataset Train, TokenDataset? Eval, IReadOnlyList<LoadedDataset> Files)
{
    // Keeps the split apart from the order of the epochs, which comes from the same seed.
    private const long SplitSeed = 0x73706C6974;

    /// <summary>Reads the job's files.</summary>
    /// <exception cref="MarrowException">A file cannot be used; every faulty line is named.</exception>
    public static TrainingData Load(JobSpec job, ModelVocabulary vocabulary, CancellationToken stopping)
    {
        var options = new DatasetOptions
        {
            Format = DatasetOptions.ParseFormat(job.Data.Format),
            MaxLength = job.Data.MaxLength,
            MaskPrompt = job.Data.MaskPrompt,
        };
        LoadedDataset train = DatasetLoader.Load(job.Data.Train, options, vocabulary, stopping);
        if (job.Data.Eval is { } path)
        {
            LoadedDataset eval = DatasetLoader.Load(path, options, vocabulary, stopping);
            return new TrainingData(train.Examples, eval.Examples, [train, eval]);
        }
        if (job.Data.EvalSplit == 0)
            return new TrainingData(train.Examples, null, [train]);
        (TokenDataset kept, TokenDataset aside) = Split(train.Examples, job.Data.EvalSplit, job.Training.Seed);
        return new TrainingData(kept, aside, [train]);
    }

    /// <summary>Sets a share of the examples aside, drawn by the seed; at least one stays on each side.</summary>
    private static (TokenDataset Kept, TokenDataset Aside) Split(TokenDataset all, double share, int seed)
    {
        if (all.Count < 2)
            throw new MarrowException("DS061", $"data.eval_split needs at least two examples, and there is {all.Count}; add examples or leave it out");
        int aside = Math.Clamp((int)Math.Round(share * all.Count), 1, all.Count - 1);
        var order = new int[all.Count];
        new DataOrder(all.Count, seed ^ SplitSeed, shuffle: true).Fill(0, order);
        return (Pick(all, order.AsSpan(aside)), Pick(all, order.AsSpan(0, aside)));
    }

    private static TokenDataset Pick(TokenDataset all, Span<int> chosen)
    {
        chosen.Sort();
        var examples = new TokenExample[chosen.Length];
        for (int i = 0; i < examples.Length; i++)
            examples[i] = new TokenExample(all.Ids(chosen[i]).ToArray(), all.Labels(chosen[i]).ToArray());
        return TokenDataset.From(examples);
    }
}
