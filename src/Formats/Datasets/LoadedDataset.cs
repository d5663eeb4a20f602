namespace Marrow.Formats.Datasets;

/// <summary>A data file after reading: its examples, what the lint found, and its sizes.</summary>
/// <param name="Examples">The kept examples in file order; those before the first error where there are errors.</param>
/// <param name="Report">Errors and warnings with line numbers, and the SHA-256 of the files.</param>
/// <param name="Statistics">Token counts and lengths.</param>
public sealed record LoadedDataset(TokenDataset Examples, DatasetReport Report, DatasetStatistics Statistics);
