namespace Marrow.Formats.Datasets;

/// <summary>
/// Tokenises conversations so that the assistant's turns are trained. A turn is found by rendering: it lies between the render of
/// the messages before it with the generation prompt, and the render up to and including it. Both must be beginnings of the whole
/// render. The end-of-turn token is trained; the white space a template puts after it is not.
/// The template's output is tokenised as it stands (its special tokens are recognised, no BOS is added), and in a way that the
/// tokens before a reply are those the model sees when it is to write the reply. Where the template's form ends conversations with EOS instead
/// of turns with a token of their own, EOS follows the last reply and is trained.
/// </summary>
internal sealed class ChatEncoder(ITokenizer tokenizer, IChatTemplate template, SpecialTexts specials, IssueLog log)
{
    private readonly record struct Piece(int End, bool Trained);

    public void Encode(IReadOnlyList<ChatMessage> messages, bool assistantOnly, ExampleBuffer into)
    {
        var guarded = new GuardedConversation(messages, tokenizer, specials);
        if (guarded.FirstHidden is string hidden)
            log.Warn("DS055", $"a message contains the special token {Echo.Quote(hidden)} written out; it is taken as plain characters");
        string whole = Render(guarded.Messages, messages.Count, generationPrompt: false);
        if (assistantOnly)
            EncodePieces(whole, Split(guarded.Messages, whole), guarded, into);
        else
            into.Add(guarded.Encode(whole), trained: true);
        if (template.EndsWithEos && messages[^1].Role == "assistant" && !specials.IsAtEnd(whole) && tokenizer.EosId is { } eos)
            into.Add(eos, eos);
    }

    private List<Piece> Split(IReadOnlyList<ChatMessage> messages, string whole)
    {
        var pieces = new List<Piece>();
        int done = 0;
        for (int i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role != "assistant")
                continue;
            string before = Render(messages, i, generationPrompt: true);
            string through = i == messages.Count - 1 ? whole : Render(messages, i + 1, generationPrompt: false);
            if (!whole.StartsWith(through, StringComparison.Ordinal) || !through.StartsWith(before, StringComparison.Ordinal)
                || before.Length < done || before.Length == through.Length)
                throw new RowException("DS022",
                    $"the chat template writes earlier turns differently once messages[{i}] is there, so its tokens cannot be told apart; split the conversation so that each row ends with its only assistant turn, write prompt and completion rows, or give a template that only appends");
            if (before.Length > done)
                pieces.Add(new Piece(before.Length, Trained: false));
            done = EndOfTurn(whole, before.Length, through.Length);
            pieces.Add(new Piece(done, Trained: true));
        }
        if (done < whole.Length)
            pieces.Add(new Piece(whole.Length, Trained: false));
        return pieces;
    }

    private int EndOfTurn(string whole, int start, int end)
    {
        ReadOnlySpan<char> turn = whole.AsSpan(start, end - start);
        ReadOnlySpan<char> trimmed = turn.TrimEnd();
        if (specials.IsAtEnd(turn))
            return end;
        if (specials.IsAtEnd(trimmed))
            return start + trimmed.Length;
        if (!template.EndsWithEos)
            log.WarnOnce("DS057", "", "the chat template ends an assistant turn without a special token, so the model may not learn where to stop");
        return end;
    }

    private void EncodePieces(string whole, List<Piece> pieces, GuardedConversation guarded, ExampleBuffer into)
    {
        // A tokenizer may treat the beginning of a text differently, so a piece is the continuation of the text before it
        // wherever the tokens of that text stay as they are.
        IReadOnlyList<int> before = [];
        int start = 0, done = 0;
        foreach (Piece piece in pieces)
        {
            IReadOnlyList<int> through = guarded.Encode(whole[start..piece.End]);
            if (!StartsWith(through, before))
            {
                log.Warn("DS056", "a token would span the border of an assistant turn; the text after the border is tokenised by itself, as it is when the model writes it");
                start = done;
                before = [];
                through = guarded.Encode(whole[start..piece.End]);
            }
            into.Add(through, piece.Trained, from: before.Count);
            before = through;
            done = piece.End;
        }
    }

    private static bool StartsWith(IReadOnlyList<int> ids, IReadOnlyList<int> beginning)
    {
        if (ids.Count < beginning.Count)
            return false;
        for (int i = 0; i < beginning.Count; i++)
            if (ids[i] != beginning[i])
                return false;
        return true;
    }

    private string Render(IReadOnlyList<ChatMessage> messages, int count, bool generationPrompt)
    {
        try
        {
            return template.Render(count == messages.Count ? messages : [.. messages.Take(count)], generationPrompt);
        }
        catch (MarrowException e)
        {
            throw new RowException("DS021",
                $"the chat template refuses the first {count} of {messages.Count} messages: {e.Message}; mend the conversation or write prompt and completion rows", null, e);
        }
    }
}
