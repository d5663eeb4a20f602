using System.CommandLine;
using System.Text;
using Marrow.Formats;
using Marrow.Formats.Tokenizers;
using Marrow.Host.CommandLine;
using Marrow.Host.Models;

namespace Marrow.Host.Commands;

/// <summary><c>marrow tokenize</c>: the token ids of a text.</summary>
internal static class TokenizeCommand
{
    public static CliCommand Create()
    {
        var model = new Option<string>("--model") { Description = "The model: its folder, a GGUF file, or a weight file that the tokenizer lies beside", Required = true, HelpName = "path" };
        var text = new Option<string?>("--text") { Description = "The text" };
        var file = new Option<string?>("--file") { Description = "A UTF-8 file with the text" };
        var bare = new Option<bool>("--no-special") { Description = "Leave out what the tokenizer adds around a text (BOS, EOS)" };
        var parsed = new Option<bool>("--parse-special") { Description = "Read special tokens written out in the text as such" };
        var pieces = new Option<bool>("--pieces") { Description = "Show the text of each token" };
        var command = new Command("tokenize", "Show the token ids of a text") { model, text, file, bare, parsed, pieces };
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, _) =>
        {
            string content = OneOf(parse.GetValue(text), parse.GetValue(file));
            ITokenizer tokenizer = ModelTokenizer.Open(parse.GetRequiredValue(model)).Tokenizer;
            IReadOnlyList<int> ids = tokenizer.Encode(content, addSpecial: !parse.GetValue(bare), parseSpecial: parse.GetValue(parsed));
            string[] texts = [.. ids.Select(id => tokenizer.Decode([id], skipSpecial: false))];
            context.Report(new { Count = ids.Count, Ids = ids, Pieces = texts }, output =>
            {
                if (!parse.GetValue(pieces))
                    output.WriteLine(string.Join(' ', ids));
                else
                    for (int i = 0; i < texts.Length; i++)
                        output.WriteLine($"{ids[i],8}  {Echo.Quote(texts[i])}");
            });
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow tokenize --model models/llama --text \"Hello world\"", "marrow tokenize --model models/llama --file notes.txt --pieces");
    }

    private static string OneOf(string? text, string? file)
    {
        if (text is null == file is null)
            throw new MarrowException("CL001", "give either --text or --file");
        if (file is null)
            return text!;
        try
        {
            return new UTF8Encoding(false, true).GetString(InputFile.ReadAll(file));
        }
        catch (DecoderFallbackException e)
        {
            throw new ModelFileException("CL002", file, "is not UTF-8 text; save it as UTF-8", e);
        }
    }
}
