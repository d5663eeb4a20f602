namespace Marrow.Formats.Datasets;

/// <summary>
/// Turns rows into ids and labels.
/// Binidx: the tokens of an item as they are, all trained.
/// Text: tokens with what the tokenizer adds around a text (BOS), then EOS once; all trained.
/// Completion: the prompt with BOS and the completion without are tokenised separately and joined, then EOS once. So the tokens of
/// the prompt are exactly those of the same prompt at generation time, whatever completion follows; a tokenizer that
/// begins every text with a space mark does so for the completion too.
/// Alpaca: with a chat template, a user turn (instruction, and after a blank line the input) and an assistant turn (output);
/// otherwise a completion row, see <see cref="AlpacaPrompt"/>.
/// </summary>
internal sealed class RowEncoder
{
    private readonly DatasetOptions _options;
    private readonly ModelVocabulary _model;
    private readonly IssueLog _log;
    private readonly string? _eosText;
    private readonly bool _addsEos;
    private readonly SpecialTexts? _specials;
    private readonly ChatEncoder? _chat;

    public RowEncoder(DatasetOptions options, ModelVocabulary model, IssueLog log)
    {
        (_options, _model, _log) = (options, model, log);
        if (model.Tokenizer is not ITokenizer tokenizer)
            return;
        _specials = new SpecialTexts(tokenizer);
        if (tokenizer.EosId is int eos)
        {
            _eosText = tokenizer.Decode([eos], skipSpecial: false);
            _addsEos = tokenizer.Encode("x", addSpecial: true, parseSpecial: false) is [.., var last] && last == eos;
        }
        if (model.ChatTemplate is IChatTemplate template)
            _chat = new ChatEncoder(tokenizer, template, _specials, log);
    }

    /// <summary>Fills <paramref name="into"/> with the example of <paramref name="row"/>, untruncated; every id and label is in the vocabulary.</summary>
    /// <exception cref="RowException">The row cannot be an example.</exception>
    /// <exception cref="MarrowException">DS008 no tokenizer, DS020 no chat template: no row of the file can be used.</exception>
    public void Encode(DatasetRow row, ExampleBuffer into)
    {
        into.Clear();
        switch (row)
        {
            case TokensRow tokens:
                EncodeTokens(tokens, into);
                break;
            case ItemRow item:
                into.Add(item.Tokens, trained: true);
                break;
            case TextRow text:
                into.Add(Start(WithoutEos(text.Text)), trained: true);
                End(into);
                break;
            case CompletionRow completion:
                EncodeCompletion(completion.Prompt, completion.Completion, into);
                break;
            case AlpacaRow alpaca when _chat is null:
                EncodeCompletion(AlpacaPrompt.Write(alpaca.Instruction, alpaca.Input), alpaca.Output, into);
                break;
            case AlpacaRow alpaca:
                string task = alpaca.Input.Length == 0 ? alpaca.Instruction : $"{alpaca.Instruction}\n\n{alpaca.Input}";
                _chat.Encode([new("user", task), new("assistant", alpaca.Output)], _options.MaskPrompt, into);
                break;
            case ChatRow chat:
                (_chat ?? throw NoTemplate()).Encode(chat.Messages, _options.MaskPrompt, into);
                break;
        }
        CheckRange(into, row is TokensRow ? "input_ids" : row is ItemRow ? "token" : null);
    }

    private static void EncodeTokens(TokensRow row, ExampleBuffer into)
    {
        int[] labels = row.Labels ?? row.Ids;
        if (labels.Length != row.Ids.Length)
            throw new RowException("DS023", $"input_ids has {row.Ids.Length} entries and labels has {labels.Length}; labels stand at the same positions, not shifted");
        for (int i = 0; i < labels.Length; i++)
            into.Add(row.Ids[i], labels[i]);
    }

    private void EncodeCompletion(string prompt, string completion, ExampleBuffer into)
    {
        into.Add(Start(prompt), trained: !_options.MaskPrompt);
        string text = WithoutEos(completion);
        WarnOfSpecials(text);
        into.Add(Tokenizer.Encode(text, addSpecial: false, _options.ParseSpecialTokens), trained: true);
        End(into);
    }

    private ITokenizer Tokenizer => _model.Tokenizer ?? throw NoTokenizer();

    private static MarrowException NoTokenizer() => new("DS008",
        "the model comes without a tokenizer, so text cannot be read; put the tokenizer's files beside the model or use rows of input_ids (data.format: tokens) [DS008]");

    private MarrowException NoTemplate() => _model.Tokenizer is null ? NoTokenizer() : new("DS020",
        "rows of messages need a chat template and the model has none; add chat_template.jinja (or chat_template in tokenizer_config.json) to the model's folder, or write prompt and completion rows [DS020]");

    /// <summary>The tokens a text begins with, EOS taken off where the tokenizer adds it.</summary>
    private IReadOnlyList<int> Start(string text)
    {
        WarnOfSpecials(text);
        IReadOnlyList<int> ids = Tokenizer.Encode(text, addSpecial: true, _options.ParseSpecialTokens);
        return _addsEos && ids.Count > 0 ? [.. ids.Take(ids.Count - 1)] : ids;
    }

    private string WithoutEos(string text) =>
        _eosText is { Length: > 0 } eos && text.EndsWith(eos, StringComparison.Ordinal) ? text[..^eos.Length] : text;

    private void End(ExampleBuffer into)
    {
        if (Tokenizer.EosId is int eos)
            into.Add(eos, eos);
        else
            _log.WarnOnce("DS058", "", "the tokenizer has no end-of-sequence token, so the model may not learn where to stop");
    }

    private void WarnOfSpecials(string text)
    {
        if (!_options.ParseSpecialTokens && _specials is not null && _specials.Find(text, 0, out _, out string special))
            _log.Warn("DS055", $"the text contains the special token {Echo.Quote(special)} written out; it is taken as plain characters, use rows of messages for conversations");
    }

    private void CheckRange(ExampleBuffer example, string? given)
    {
        ReadOnlySpan<int> ids = example.Ids, labels = example.Labels;
        for (int i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)_model.Size)
                throw new RowException("DS024", given is not null
                    ? $"{given}[{i}] is {ids[i]}, outside the model's vocabulary of {_model.Size}; tokenise with this model's tokenizer"
                    : $"the tokenizer gives the id {ids[i]}, outside the model's vocabulary of {_model.Size}; tokenizer and model do not belong together");
            if (labels[i] != TokenExample.Ignore && (uint)labels[i] >= (uint)_model.Size)
                throw new RowException("DS024",
                    $"labels[{i}] is {labels[i]}, neither {TokenExample.Ignore} nor in the model's vocabulary of {_model.Size}; tokenise with this model's tokenizer");
        }
    }
}
