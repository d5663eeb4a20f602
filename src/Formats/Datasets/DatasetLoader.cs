using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Marrow.Formats.Datasets.BinIdx;

namespace Marrow.Formats.Datasets;

/// <summary>
/// Reads training data. JSONL: one streaming pass checks, tokenises and hashes every line. Binidx: one pass over the items. How rows become tokens is said at
/// <see cref="DatasetFormat"/>, <see cref="DatasetOptions"/> and <see cref="AlpacaPrompt"/>. Special tokens written out in the
/// content of a message never become control tokens: only what the chat template itself writes does.
/// </summary>
public sealed class DatasetLoader
{
    private readonly DatasetOptions _options;
    private readonly IssueLog _log = new();
    private readonly RowParser _parser;
    private readonly RowEncoder _encoder;
    private readonly ExampleBuffer _example = new();
    private readonly TokenDatasetBuilder _kept = new();
    private readonly Dictionary<ulong, int> _seen = [];
    private readonly List<int> _lengths = [];
    private int _truncated;
    private long _truncatedTokens;
    private int _droppedByTruncation;
    private int _droppedWithoutTargets;

    private DatasetLoader(DatasetOptions options, ModelVocabulary model)
    {
        _options = options;
        _parser = new RowParser(options.Format, _log);
        _encoder = new RowEncoder(options, model, _log);
    }

    /// <summary>Reads the file and returns its examples.</summary>
    /// <exception cref="MarrowException">What <see cref="Lint"/> throws; DS003 rows with errors; DS004 no example is left.</exception>
    public static LoadedDataset Load(string path, DatasetOptions options, ModelVocabulary model, CancellationToken cancel = default)
    {
        LoadedDataset loaded = Lint(path, options, model, cancel);
        loaded.Report.ThrowIfErrors();
        if (loaded.Examples.Count == 0)
            throw new MarrowException("DS004",
                $"{path}: no example has a trained target (max_length {options.MaxLength}); raise data.max_length or check labels and mask_prompt [DS004]\n{loaded.Statistics}");
        return loaded;
    }

    /// <summary>Reads the whole file and reports every row that cannot be used instead of stopping at it.</summary>
    /// <exception cref="MarrowException">
    /// DS001 missing or unreadable, DS002 empty, DS006 a line over 64 MiB, DS007 too many tokens, DS008 text without a tokenizer,
    /// DS009 max_length too small, DS010 UTF-16, DS020 messages without a chat template; BI001 to BI009, IO001 to IO006 of a binidx dataset.
    /// </exception>
    public static LoadedDataset Lint(string path, DatasetOptions options, ModelVocabulary model, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(model);
        if (options.MaxLength < 2)
            throw new MarrowException("DS009", $"data.max_length is {options.MaxLength}; it must be at least 2, a token and its successor [DS009]");
        return new DatasetLoader(options, model).Read(path, cancel);
    }

    private LoadedDataset Read(string path, CancellationToken cancel) =>
        DatasetFiles.IsBinIdx(path, _options.Format) ? ReadItems(path, cancel) : ReadLines(path, cancel);

    private LoadedDataset ReadLines(string path, CancellationToken cancel)
    {
        using var lines = new JsonlReader(path);
        while (lines.Read())
        {
            cancel.ThrowIfCancellationRequested();
            _log.Line = lines.LineNumber;
            if (!TryEncode(() => _parser.Parse(lines.Line)))
                continue;
            WarnOfDuplicate(lines.Line.Span);
            Keep();
        }
        if (lines.LineNumber == lines.BlankLines)
            throw new MarrowException("DS002", $"{path}: the file has no rows; write one JSON object on each line [DS002]");
        return Loaded(path, _parser.Format, lines.LineNumber, lines.BlankLines, [new FileHash(Path.GetFileName(path), InputFile.LengthOf(path), lines.Sha256())]);
    }

    private LoadedDataset ReadItems(string path, CancellationToken cancel)
    {
        using BinIdxFile file = BinIdxFile.Open(path);
        _log.Unit = "item";
        foreach (string warning in file.Warnings)
            _log.Warn("DS059", warning);
        for (int item = 0; item < file.Count; item++)
        {
            cancel.ThrowIfCancellationRequested();
            _log.Line = item + 1;
            if (file.SizeOf(item) == 0)
                _log.Warn("DS053", "dropped: it has no tokens");
            else if (TryEncode(() => new ItemRow(file.Read(item))))
                Keep();
        }
        if (file.Count == 0)
            throw new MarrowException("DS002", $"{path}: the dataset has no items; write one item for each document [DS002]");
        return Loaded(path, DatasetFormat.BinIdx, file.Count, blank: 0, [FileHash.Of(file.IndexPath, cancel), FileHash.Of(file.DataPath, cancel)]);
    }

    /// <summary>Makes the row's example; false, with the error on record, where it cannot be used.</summary>
    private bool TryEncode(Func<DatasetRow> row)
    {
        try
        {
            _encoder.Encode(row(), _example);
            return true;
        }
        catch (RowException e)
        {
            _log.Error(e);
            return false;
        }
    }

    private void WarnOfDuplicate(ReadOnlySpan<byte> line)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(line, hash);
        if (!_seen.TryAdd(BinaryPrimitives.ReadUInt64LittleEndian(hash), _log.Line))
            _log.Warn("DS050", $"the same row as line {_seen[BinaryPrimitives.ReadUInt64LittleEndian(hash)]}; it is trained twice");
    }

    private void Keep()
    {
        int length = _example.Count, kept = Math.Min(length, _options.MaxLength);
        _lengths.Add(length);
        if (kept < length)
        {
            _truncated++;
            _truncatedTokens += length - kept;
        }
        if (TokenSpans.CountTargets(_example.Labels[..kept]) > 0)
        {
            if (_log.ErrorCount == 0)
                _kept.Add(_example.Ids[..kept], _example.Labels[..kept], _log.Line);
        }
        else if (TokenSpans.CountTargets(_example.Labels) > 0)
        {
            _droppedByTruncation++;
            _log.Warn("DS053", $"dropped: none of its trained tokens is among the first {kept} of {length}; raise data.max_length or shorten the prompt");
        }
        else
        {
            _droppedWithoutTargets++;
            _log.Warn("DS053", $"dropped: none of its {length} tokens is trained");
        }
    }

    private LoadedDataset Loaded(string path, DatasetFormat format, int lines, int blank, IReadOnlyList<FileHash> files)
    {
        TokenDataset examples = _kept.Build();
        var report = new DatasetReport
        {
            Path = path,
            Files = files,
            Format = format,
            Lines = lines,
            BlankLines = blank,
            ErrorCount = _log.ErrorCount,
            WarningCount = _log.WarningCount,
            Errors = _log.Errors,
            Warnings = _log.Warnings,
        };
        return new LoadedDataset(examples, report, Statistics(examples));
    }

    private DatasetStatistics Statistics(TokenDataset examples)
    {
        Span<int> lengths = CollectionsMarshal.AsSpan(_lengths);
        lengths.Sort();
        return new DatasetStatistics
        {
            Examples = examples.Count,
            Tokens = examples.Tokens,
            Targets = examples.Targets,
            MaxLength = _options.MaxLength,
            Truncated = _truncated,
            TruncatedTokens = _truncatedTokens,
            DroppedByTruncation = _droppedByTruncation,
            DroppedWithoutTargets = _droppedWithoutTargets,
            P50 = DatasetStatistics.Percentile(lengths, 50),
            P95 = DatasetStatistics.Percentile(lengths, 95),
            Max = lengths.Length == 0 ? 0 : lengths[^1],
            Histogram = DatasetStatistics.Buckets(lengths),
        };
    }
}
